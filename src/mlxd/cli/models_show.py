"""`mlxd models assign` and `mlxd models show`"""

import json
from urllib.parse import quote

from mlxd.settings import Settings

from .certified import line
from .service import ask, only_url


def assign(settings: Settings, url: str | None, capability: str, name: str | None) -> None:
    where = only_url(settings, url)
    path = f"/models/global_capability/{quote(capability, safe='')}"
    answer = ask(where, path, settings, body={"model_id": name}, post=True)
    print(f"{capability}: {answer['model_id'] or 'no model'}")


def show(settings: Settings, url: str | None, *, as_json: bool) -> None:
    where = only_url(settings, url)
    found = ask(where, "/models/capabilities", settings)
    certificates = ask(where, "/models/certificates", settings)["models"]
    for name, model in found["models"].items():
        model["certificate"] = certificates.get(name)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max(map(len, found["capabilities"]))
    for capability, one in found["capabilities"].items():
        state = f"  {one['state']}" if one["state"] else ""
        check = one["confirmed"]
        told = f"  {'confirmed' if check['confirmed'] else 'not confirmed'}" if check else ""
        print(f"{capability:{width}}  {one['model_id'] or '-'}{state}{told}")
    for name, model in found["models"].items():
        print(f"\n{name}\n    {line(model['certificate'])}")
