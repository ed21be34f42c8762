"""Writes ``adpulse_sandbox/meta/tables/v26.0.json`` from the tables of the installed Meta SDK. Run by ``make meta-names``.

The file has the names that the API knows: fields by type of node, edges with their parameters, and the values of enums. It is data for
the sandbox, which imports no SDK. With another SDK installed it writes the file of that SDK's version of the API.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from facebook_business.api import FacebookAdsApi, FacebookSession
from facebook_business.apiconfig import ads_api_config

FOLDER = Path(__file__).parents[1] / "adpulse_sandbox" / "meta" / "tables"

_NODES = ("AdAccount", "Campaign", "AdSet", "Ad", "AdCreative", "User", "Business", "AdReportRun")
"""The types of nodes that are read by themselves: their edges and parameters are written too."""

_ROWS = (
    "AdsInsights", "AdActivity", "AdImage", "AdLabel", "AdVideo", "AssignedUser", "BusinessUser", "CustomAudience", "CustomConversion",
    "Lead", "Permission",
)  # fmt: skip
"""The types of which only the fields are written."""

_EDGES = frozenset(
    {
        "activities", "adaccounts", "adcreatives", "adimages", "adlabels", "ads", "adsets", "advideos", "assigned_ad_accounts",
        "assigned_users", "business_users", "businesses", "campaigns", "client_ad_accounts", "customaudiences", "customconversions",
        "insights", "leads", "owned_ad_accounts", "permissions",
    }
)  # fmt: skip
"""The edges whose parameters are written; of all others only the name."""


def names() -> dict[str, Any]:
    """The content of the file."""
    nodes = {name: {"fields": _fields(name), **_requests(name)} for name in _NODES}
    nodes |= {name: {"fields": _fields(name)} for name in _ROWS}
    return {"source": f"facebook-business {ads_api_config['SDK_VERSION'].removeprefix('v')}", "nodes": nodes}


def _class(name: str) -> Any:  # noqa: ANN401 - the SDK is untyped
    return getattr(import_module(f"facebook_business.adobjects.{name.lower()}"), name)


def _fields(name: str) -> list[str]:
    return sorted(_values(_class(name).Field.__dict__.items()))


def _values(items: Any) -> Iterator[str]:  # noqa: ANN401 - the SDK is untyped
    return (value for attribute, value in items if not attribute.startswith("__") and isinstance(value, str))


def _requests(name: str) -> dict[str, Any]:
    """The parameters of the node and of its edges, from the SDK's methods, which build a request without sending it."""
    api = FacebookAdsApi(FacebookSession(access_token="none"))  # noqa: S106 - nothing is sent
    node = _class(name)("1", api=api)
    own: dict[str, Any] = {}
    edges: dict[str, Any] = {}
    for method in sorted(attribute for attribute in dir(node) if attribute.startswith(("api_get", "get_"))):
        request = _pending(getattr(node, method))
        if request is None or request._method != "GET":  # noqa: SLF001 - the SDK has no other way to its tables
            continue
        parameters = _parameters(request._param_checker)  # noqa: SLF001 - as above
        edge = request._endpoint.strip("/")  # noqa: SLF001 - as above
        if not edge:
            own = parameters
        else:
            edges[edge] = {"of": request._target_class.__name__, "parameters": parameters} if edge in _EDGES else None  # noqa: SLF001 - as above
    return {"parameters": own, "edges": edges}


def _pending(method: Any) -> Any:  # noqa: ANN401 - the SDK is untyped
    try:
        return method(pending=True)
    except TypeError:  # a method that requests nothing
        return None


def _parameters(checker: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK is untyped
    """The type of each parameter, and the values of an enum."""
    parameters: dict[str, Any] = {}
    for name, kind in sorted(checker._type_check_info.items()):  # noqa: SLF001 - as above
        # The values of a class, among which its module's name is.
        values = next((list(values) for enum, values in checker._enum_data.items() if enum in kind), [])  # noqa: SLF001 - as above
        texts = sorted(value for value in values if isinstance(value, str) and not value.startswith("facebook_business."))
        parameters[name] = {"type": kind, **({"values": texts} if texts else {})}
    return parameters


if __name__ == "__main__":
    target = FOLDER / f"{ads_api_config['API_VERSION']}.json"
    target.write_text(json.dumps(names(), indent=1, sort_keys=True) + "\n")
