"""Variables of the environment that keep MLflow's client from asking: what is wrong with the value of one."""

from __future__ import annotations

import os
import re

NO_NUMBER = re.compile(r"Failed to convert (?P<value>.*) for (?P<name>MLFLOW_\w+)")
NO_CERTIFICATES = re.compile(r"(?:TLS CA certificate bundle|TLS certificate file), invalid path: (?P<path>\S+)")
NO_HEADER = re.compile(r"in header (?:value|name)")
# each may name a file of certificates; each may be sent in a header
OF_CERTIFICATES = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
OF_HEADERS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def explain_variables(error: BaseException) -> str | None:
    """Half a sentence about an error that the value of a variable has caused, None of another one."""
    said = str(error)
    if found := NO_NUMBER.search(said):
        return f"{found['name']} is {found['value']}, which is no value for it: `unset {found['name']}`"
    if found := NO_CERTIFICATES.search(said):
        name = next((name for name in OF_CERTIFICATES if os.environ.get(name) == found["path"]), None)
        if name is not None:
            return f"{name} is {found['path']}, where no certificates are: `unset {name}`, or name their file"
    names = [name for name in OF_HEADERS if os.environ.get(name)]
    if names and NO_HEADER.search(said):
        # its value is a secret, which the error shows
        return f"{' or '.join(names)} holds what cannot be sent (a line break, or a blank in front)"
    return None
