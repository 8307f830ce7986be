"""Solution 3 of lesson 26: words, and numbers with a point."""

import re

text = "U.S.A., e-mail, C++, 3.5 stars".lower()
print("as in the lesson:", re.findall(r"[\w']+", text))
print("numbers whole:", re.findall(r"\d+\.\d+|[\w']+", text))
