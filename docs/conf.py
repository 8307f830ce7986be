"""What Sphinx needs to know; build.py runs it."""

project = "Keras lessons"
html_title = "Keras lessons"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["notebooks"]  # to download
templates_path = []

nb_execution_mode = "off"  # they are executed already
nb_merge_streams = True
nb_ipywidgets_js = {}  # would be loaded from other servers
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.header"]  # a notebook's title may be followed by a lower heading

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
copybutton_exclude = ".linenos, .gp, .go"
