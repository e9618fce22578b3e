"""Firecracker's official API description (swagger 2.0), and whether a request is one of those it describes."""

import re

import yaml

TYPES = {"string": str, "boolean": bool, "object": dict, "array": list}


class Operation:
    def __init__(self, described):
        words = f"{described.get('summary', '')} {described.get('description', '')}"
        self.pre_boot_only = "Pre-boot only" in words
        self.post_boot_only = "Post-boot only" in words
        bodies = [p for p in described.get("parameters", []) if p["in"] == "body"]
        self.schema = bodies[0]["schema"] if bodies else None
        self.body_required = bool(bodies and bodies[0].get("required"))


class Description:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.safe_load(file)

    def find(self, method, path):
        for template, methods in self.document["paths"].items():
            pattern = re.sub(r"\\{\w+\\}", "([A-Za-z0-9_]+)", re.escape(template))
            match = re.fullmatch(pattern, path)
            if match and method in methods:
                return Operation(methods[method]), match.groups()
        return None, ()

    def check(self, method, path, body):
        """(operation, None), or (None or operation, what is wrong with the request)."""
        operation, ids = self.find(method, path)
        if operation is None:
            return None, f"Invalid request method and/or path: {method.upper()} {path}."
        if operation.schema is None:
            return operation, None if body is None else "Empty request body is expected."
        if body is None:
            return operation, "Empty Json content." if operation.body_required else None
        wrong = self.mismatch(operation.schema, body, "body")
        if not wrong and ids and isinstance(body, dict):
            named = [body[key] for key in ("drive_id", "iface_id", "id") if key in body]
            if named != list(ids):
                wrong = f"The id from the path [{ids[0]}] does not match the id from the body {named}!"
        return operation, wrong

    def mismatch(self, schema, value, where):
        while "$ref" in schema:
            schema = self.document["definitions"][schema["$ref"].rsplit("/", 1)[-1]]
        kind = schema.get("type", "object")
        if kind in ("integer", "number"):
            if isinstance(value, bool) or not isinstance(value, int):
                return f"invalid type for {where}: expected an integer"
            if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                return f"invalid value for {where}: {value}"
            return None
        if not isinstance(value, TYPES[kind]):
            return f"invalid type for {where}: expected {kind}"
        if "enum" in schema and value not in [str(word) for word in schema["enum"]]:
            return f"unknown variant `{value}` for {where}, expected one of {schema['enum']}"
        if kind == "array":
            wrong = (self.mismatch(schema["items"], item, f"{where}[]") for item in value)
            return next((text for text in wrong if text), None)
        return self.object_mismatch(schema, value, where) if kind == "object" else None

    def object_mismatch(self, schema, value, where):
        known = schema.get("properties", {})
        for key in schema.get("required", []):
            if key not in value:
                return f"missing field `{key}` in {where}"
        for key, item in value.items():
            if key not in known:
                extra = schema.get("additionalProperties")
                if extra:
                    continue
                return f"unknown field `{key}` in {where}, expected one of {sorted(known)}"
            wrong = self.mismatch(known[key], item, f"{where}.{key}")
            if wrong:
                return wrong
        return None
