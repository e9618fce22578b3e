"""Holds docs/openapi.yaml, the route table and the C++ types together.

usage: openapi_test.py CONTRACT_DUMP OPENAPI_YAML TYPES_HPP
"""
import json
import pathlib
import re
import subprocess
import sys

import yaml

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}
failures = []


def check(condition, message):
    if not condition:
        failures.append(message)


def resolve(document, ref):
    node = document
    for key in ref.removeprefix("#/").split("/"):
        node = node[key]
    return node


def walk(node, visit):
    visit(node)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        walk(child, visit)


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield path, method, item, item[method]


def check_routes(document, contract):
    in_code = {(route["method"], route["path"]) for route in contract["routes"]}
    in_file = {(method.upper(), path) for path, method, _, _ in operations(document)}
    for route in in_code - in_file:
        check(False, f"{route} is not in the file")
    for route in in_file - in_code:
        check(False, f"{route} is not in the router")


def check_operations(document):
    seen = set()
    for path, method, item, operation in operations(document):
        where = f"{method.upper()} {path}"
        check(operation["operationId"] not in seen, f"{where}: operationId twice")
        seen.add(operation["operationId"])
        check("default" in operation["responses"], f"{where}: errors are not described")
        parameters = item.get("parameters", []) + operation.get("parameters", [])
        parameters = [resolve(document, p["$ref"]) if "$ref" in p else p for p in parameters]
        named = {p["name"] for p in parameters if p["in"] == "path"}
        check(named == set(re.findall(r"{(\w+)}", path)), f"{where}: path parameters {named}")


def shape(schema):
    """What of a schema of the file the C++ side can tell too."""
    if "$ref" in schema:
        return {"ref": schema["$ref"].rsplit("/", 1)[1]}
    found = {"type": schema["type"]} if "type" in schema else {}
    if "items" in schema:
        found["items"] = shape(schema["items"])
    return found


def check_types(document, contract):
    schemas = document["components"]["schemas"]
    check(schemas.keys() == contract["types"].keys(),
          f"types differ: {schemas.keys() ^ contract['types'].keys()}")
    for name in schemas.keys() & contract["types"].keys():
        check_type(name, schemas[name], contract["types"][name])


def check_type(name, schema, members):
    properties = schema["properties"]
    check(properties.keys() == members.keys(), f"{name}: {properties.keys() ^ members.keys()}")
    for key in properties.keys() & members.keys():
        expected = {k: v for k, v in members[key].items() if k != "optional"}
        check(shape(properties[key]) == expected, f"{name}.{key}: the file says {shape(properties[key])}, the code {expected}")
    required = set(schema.get("required", []))
    always = {key for key, member in members.items() if "optional" not in member}
    if name.endswith("Request"):
        check(required <= always, f"{name}: {required - always} can be left out")
    else:
        check(required == always, f"{name}: required differs by {required ^ always}")


def check_value(document, schema, value, where):
    if "$ref" in schema:
        schema = resolve(document, schema["$ref"])
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if "type" in schema:
        check(isinstance(value, kinds[schema["type"]]), f"{where}: expected {schema['type']}")
    if "enum" in schema:
        check(value in schema["enum"], f"{where}: {value} is not possible")
    if isinstance(value, dict) and "properties" in schema:
        check(set(schema.get("required", [])) <= value.keys() <= schema["properties"].keys(), f"{where}: members {list(value)}")
        for key in value.keys() & schema["properties"].keys():
            check_value(document, schema["properties"][key], value[key], f"{where}.{key}")
    if isinstance(value, list):
        for item in value:
            check_value(document, schema["items"], item, f"{where}[]")


def check_refs_and_examples(document):
    def visit(node):
        if not isinstance(node, dict):
            return
        if isinstance(node.get("$ref"), str):
            try:
                resolve(document, node["$ref"])
            except KeyError:
                check(False, f"{node['$ref']} leads nowhere")
        if "example" in node and "schema" in node:
            check_value(document, node["schema"], node["example"], "example")
    walk(document, visit)


def check_all_types_are_dumped(contract, types_hpp):
    described = set()
    for path in pathlib.Path(types_hpp).parent.glob("types*.hpp"):
        described |= set(re.findall(r"BOOST_DESCRIBE_STRUCT\((\w+)", path.read_text(encoding="utf-8")))
    check(described == contract["types"].keys(), f"not dumped: {described ^ contract['types'].keys()}")


def main(dump, openapi, types_hpp):
    contract = json.loads(subprocess.run([dump], check=True, capture_output=True).stdout)
    with open(openapi) as file:
        document = yaml.safe_load(file)
    check(document["openapi"].startswith("3.1"), "not OpenAPI 3.1")
    check_all_types_are_dumped(contract, types_hpp)
    check_routes(document, contract)
    check_operations(document)
    check_types(document, contract)
    check_refs_and_examples(document)
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
