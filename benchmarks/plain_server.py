"""A server as in tutorials: one call of `model.predict` per request.

    python benchmarks/plain_server.py FILE.keras PORT

The baseline for serving/serve.py in serving_load.py.
"""

import sys

import keras
import numpy as np
import uvicorn
from fastapi import FastAPI

app = FastAPI()
model = keras.saving.load_model(sys.argv[1])


@app.post("/v1/models/mnist:predict")
def predict(request: dict):
    """Predict the rows of one request."""
    rows = np.array(request["instances"]).reshape(-1, 28, 28, 1)
    return {"predictions": model.predict(rows, verbose=0).tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
