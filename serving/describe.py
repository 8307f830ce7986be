"""The service's documentation: schemas for OpenAPI, and a page that works offline."""

import json
from html import escape

import keras

ERROR = {
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": {"type": "string"}},
            }
        }
    }
}
ERRORS = {
    "400": {"description": "the request is invalid; `error` says why", **ERROR},
    "404": {"description": "no such model", **ERROR},
    "408": {"description": "the body did not arrive in time", **ERROR},
    "413": {"description": "the request is too large", **ERROR},
    "415": {"description": "the Content-Encoding is not gzip", **ERROR},
    "429": {"description": "the service is too busy; try again later", **ERROR},
    "500": {"description": "the model failed, or its output is not finite", **ERROR},
}
ANY_ROWS = {"type": "array", "minItems": 1, "items": {}}
EXAMPLES = {
    "rows": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "oneOf": [
                            {
                                "type": "object",
                                "required": ["instances"],
                                "additionalProperties": False,
                                "properties": {
                                    "instances": ANY_ROWS,
                                    "signature_name": {"const": "serving_default"},
                                },
                            },
                            {
                                "type": "object",
                                "required": ["inputs"],
                                "additionalProperties": False,
                                "properties": {
                                    "inputs": {},
                                    "signature_name": {"const": "serving_default"},
                                },
                            },
                        ]
                    }
                }
            },
        },
        "responses": ERRORS,
    },
    "picture": {
        "requestBody": {
            "required": True,
            "content": {
                "image/png": {"schema": {"type": "string", "format": "binary"}},
                "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {"image": {"type": "string", "format": "binary"}},
                    }
                },
            },
        },
        "responses": ERRORS,
    },
}


def example_row(model) -> object:
    """Return an example row of zeros; a text input gets a word from its vocabulary."""
    words = {}
    for layer in model.model.layers:
        if isinstance(layer, keras.layers.StringLookup):
            (word, *_) = layer.get_vocabulary(include_special_tokens=False)
            words |= {tensor.name: str(word) for tensor in keras.tree.flatten(layer.input)}

    def filled(shape, one):
        return [filled(shape[1:], one)] * (shape[0] or 1) if shape else one

    def value(field):
        shape = field.shape[:-1] if field.shape[-1:] == (1,) else field.shape
        one = {"string": words.get(field.name, ""), "bool": False}.get(field.dtype, 0)
        return filled(shape, one)

    if len(model.inputs) == 1:
        return value(model.inputs[0])
    return {field.name: value(field) for field in model.inputs}


def docs_page(app, model) -> str:
    """Return an HTML page that describes every endpoint."""
    row = json.dumps(example_row(model))
    row = row if len(row) < 400 else f"{row[:40]} ..."
    parts = []
    for path, methods in app.openapi()["paths"].items():
        for method, about in methods.items():
            parts.append(
                f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
                f"<p>{escape(about.get('description', about.get('summary', '')))}</p>"
            )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{escape(model.name)}</title>
<link rel="stylesheet" href="/page.css">
<main><h1>{escape(model.name)}</h1>
<p>The REST API of TensorFlow Serving. An example row: <code>{escape(row)}</code></p>
<p>Machine-readable: <a href="/openapi.json">openapi.json</a></p>
{"".join(parts)}</main></html>"""
