"""`mlxd models assign` and `mlxd models show`"""

import json
from typing import Any
from urllib.parse import quote

from mlxd.settings import Settings

from .certified import line
from .complaint import Complaint
from .service import ask, only_url

# Said where nothing is assigned, and no model of this release would be by itself.
UNSERVED = {"reranker": "- (no engine ranks by itself; the guide says how a model can: Ranking)"}


def assign(settings: Settings, url: str | None, capability: str, name: str | None) -> None:
    where = only_url(settings, url)
    path = f"/models/global_capability/{quote(capability, safe='')}"
    answer = ask(where, path, settings, body={"model_id": name}, post=True)
    print(f"{capability}: {answer['model_id'] or 'no model'}")


def show(settings: Settings, url: str | None, name: str | None, *, as_json: bool) -> None:
    where = only_url(settings, url)
    found = ask(where, "/models/capabilities", settings)
    certificates = ask(where, "/models/certificates", settings)["models"]
    for known, model in found["models"].items():
        model["certificate"] = certificates.get(known)
    if name:
        _only(found, name)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max(map(len, found["capabilities"]), default=0)
    for capability, one in found["capabilities"].items():
        state = f"  {one['state']}" if one["state"] else ""
        check = one["confirmed"]
        told = f"  {'confirmed' if check['confirmed'] else 'not confirmed'}" if check else ""
        served = one["model_id"] or UNSERVED.get(capability, "-")
        print(f"{capability:{width}}  {served}{state}{told}")
    for known, model in found["models"].items():
        print(f"\n{known}\n    {line(model['certificate'])}")


def _only(found: dict[str, Any], name: str) -> None:
    """What there is of this model, by its id."""
    if name not in found["models"]:
        known = ", ".join(found["models"]) or "none"
        raise Complaint(f"there is no model named {name!r} in this service. There are: {known}.")
    found["models"] = {name: found["models"][name]}
    served = found["capabilities"].items()
    found["capabilities"] = {one: told for one, told in served if told["model_id"] == name}
