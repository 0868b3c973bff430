"""What the commands, settings, parameters and codes mean, for docs/reference/."""

CLI = """\
What each command says with `--help`. Without a subcommand, `mlxd` prints its help.

Exit codes of `mlxd serve`: 0 ended by a signal or by `Ctrl-C`; 1 no such model, or it can't be
served; 2 a setting is wrong; 3 the port is taken; 4 no engine could be started. `mlxd status` ends
with 0 when a model can answer, 1 when the service runs and none can, 3 when no service answers.
"""

FAILURES = """\
What `mlxd doctor diagnose` recognises, by the words that the failure leaves in a log. Written from
the tables in `src/mlxd/doctor/diagnose/`. [How it works](../how/doctor.md).
"""

SETTINGS = """\
Four sources; a later one wins: the default, the file `mlxd.toml`, the environment, a flag of the
command. The file lies in the user's configuration folder (`~/.config/mlxd/mlxd.toml` on Linux,
`~/Library/Application Support/mlxd/mlxd.toml` on macOS), or where `--config` or `MLXD_CONFIG` says.
`mlxd config` prints every value and where it came from. A key that is not in this list is an error
that names the nearest one.

In the environment, lists are separated by commas, a size may have a unit (`512MiB`, `8GB`), and an
empty text means none where a key may have none.
"""

TOP_DEFAULTS = {
    "data_dir": "the user's data folder",
    "models": "`[]`",
    "remotes": "`[]`",
}

KEYS = {
    "data_dir": "Logs (`logs/`), the record of running services (`run/`), what is assigned and "
    "confirmed (`mlxd.db`), certificates of smoke (`certificates/`). "
    "`~/.local/share/mlxd` on Linux, `~/Library/Application Support/mlxd` on macOS.",
    "models": "Models to serve: names, or tables as below. None: the bundled one.",
    "remotes": "OpenAI-compatible servers elsewhere whose models are served here too: tables as "
    "below. In the environment, a JSON list of them.",
    "server.host": "Address to listen on. For other machines to reach it, `0.0.0.0`; set a token "
    "then.",
    "server.port": "Port to listen on. 0: any free one, which is printed.",
    "server.v1_host": "Host of the second address.",
    "server.v1_port": "Port of a second address that serves nothing but `/v1`. None: there is no "
    "second address. Older clients have 60316 configured.",
    "server.token": "When set, requests need `Authorization: Bearer` with it, except for `/health` "
    "and `/ready`.",
    "server.allowed_origins": "Web pages that may call this service from a browser, as "
    "`https://app.example`. `*`: any.",
    "server.allowed_hosts": "Names beside localhost that clients may use in the `Host` header on a "
    "loopback address.",
    "server.body_limit": "Largest request body. More is answered with 413.",
    "server.header_timeout": "How long a request's head may take to arrive (408).",
    "server.body_timeout": "How long a body may take to arrive; a second is added for every 64 KiB "
    "that came (408).",
    "server.keep_alive": "A stream with nothing to say sends a comment this often.",
    "server.drain_timeout": "How long running answers may take to end when the service stops.",
    "server.queue_limit": "Requests of one model that run or wait. More are answered with 429.",
    "images.allow_http": "Fetch images from `http` and `https` URLs. Only public addresses are "
    "asked, never this machine's own network.",
    "images.allowed_roots": "Folders from which `file://` URLs may be read. None: no file is.",
    "images.byte_limit": "Largest image file.",
    "images.pixel_limit": "Most pixels of one image, looked at before it is decoded. The images of "
    "one request together may have four times as many.",
    "images.fetch_timeout": "How long fetching an image may take.",
    "catalogue.file": "Your own list of models, which adds to the shipped one and overrides it. "
    "None: `catalogue.toml` beside `mlxd.toml`, where there is one.",
    "catalogue.auto_pull": "A request for a model that is known to the hub and not on this machine "
    "begins its download, and is answered with 503 and how far that is until it is there. Off: a "
    "404 that says how to download it.",
    "engine.weights": "On a Linux CPU. `auto`: weights in the bits in which they were saved, where "
    "mlxd's own products can be built, else float32 where memory allows. `float32`: always. "
    "`as-is`: nothing is changed. No effect on Metal and CUDA.",
    "engine.blas": "On a Linux CPU: `auto`, `off`, or the path of a library to put under MLX.",
    "engine.kv_budget": "Memory for the keys and values of running requests and of the prefix "
    "cache. None: 0.6 of what is free once the model is loaded.",
    "engine.prefix_cache_bytes": "The part of it that finished requests may keep for the next turn "
    "of a conversation. None: four whole contexts, at least 256 MB and at most a sixteenth of "
    "the machine's memory or 0.4 of `kv_budget`.",
    "engine.prefill_chunk": "Most prompt tokens in one chunk of prefill. None: 2048. While streams "
    "run, chunks are shorter by themselves.",
    "engine.memory_budget": "Memory of all engines together. For a new one, idle ones are stopped, "
    "the least recently used first; where that does not suffice, the request gets a 503 with the "
    "numbers. None: 0.85 of the machine's memory.",
    "engine.max_batch": "Answers that are generated at the same time. None: 16 on a CPU, 64 on an "
    "accelerator.",
    "documents.roots": "Folders below which `POST /documents` may read files by their path. Links "
    "that lead out of them are refused. None: files have to be uploaded.",
    "documents.database": "PostgreSQL for jobs and documents, as `postgresql+psycopg://…`; several "
    "machines may share it, with a `store` that all of them see. None: SQLite in the data folder.",
    "documents.store": "Where files of documents and the index are. None: `documents/` in the data "
    "folder.",
    "documents.workers": "Documents that are worked on at the same time.",
    "documents.idle_timeout": "The desk's process ends after so long without requests and jobs; "
    "the next request starts it.",
    "documents.upload_limit": "Largest file. More is answered with 413.",
    "documents.unpacked_limit": "What a packed file (DOCX, XLSX, PPTX) may become when unpacked.",
    "documents.page_limit": "Pages of a document.",
    "documents.pixel_limit": "Pixels of a picture.",
    "documents.parse_timeout": "How long reading a file may take, without the models' work.",
    "documents.parse_memory": "What reading a file may take, beside the parser itself.",
    "documents.image_side": "Pictures in a document with a side shorter than this many pixels are "
    "ornaments: they are neither kept nor described.",
    "documents.describe": "Have pictures in documents described by the model that is assigned to "
    "`vision`.",
    "documents.tags": "Have each document given 3 to 7 tags by the model that is assigned to "
    "`structured_output`.",
    "documents.summaries": "Have long passages summarised by the model that is assigned to `text`; "
    "the summary is searched too.",
    "agent.instructions": "What the agent is told before each conversation.",
    "agent.steps": "Answers of the model in one turn, one for each round of tools.",
    "agent.tokens": "What the model may read and write in one turn, all rounds together.",
    "agent.seconds": "How long a turn may take.",
    "agent.tool_characters": "Of a tool's result at once; the model can read on from there.",
    "agent.context": "Tokens of context taken for a model that does not say its own.",
    "agent.mcp_config": "A JSON file with `mcpServers`, in the shape that other applications have "
    "it: their tools are offered to the model beside our own.",
    "logging.level": "What the gateway writes to the terminal and to `gateway.log`.",
    "logging.file_bytes": "A log file larger than this is moved aside.",
    "logging.files": "How many older files of each log are kept.",
}

MODEL_TABLES = """\
`models = ["DIR", "org/name"]` is enough; a table for each says more:

```toml
[[models]]
name = "mlx-community/Qwen3-4B-4bit"
alias = "house-model"
```
"""

MODELS = {
    "name": "Alias, hub id or folder.",
    "alias": "One more name for it.",
    "capabilities": "What it may be asked for, instead of what its files say. Labels alone "
    "(`reasoning`, `code`) are added to that.",
    "idle_timeout": "Stop its engine after so long without a request; the next one starts it. "
    "None: never.",
    "pin": "Always runs, and is never stopped for being idle or for another's memory.",
}

REMOTE_TABLES = """\
A server elsewhere that speaks the OpenAI API: vLLM, another mlxd, a hosted service. Its models are
listed, assigned to capabilities and asked for by name like those on this machine. The key stands in
no file: `key_env` names the environment variable of the service that holds it.

```toml
[[remotes]]
name = "farm"
url = "https://gpu.example/v1"
key_env = "FARM_API_KEY"
models = { "big" = "Qwen/Qwen3-235B-A22B" }
capabilities = ["text", "tool_use"]
```
"""

REMOTES = {
    "name": "What it is called in `/status` and in messages.",
    "url": "Up to and with `/v1`; what follows comes from the request.",
    "models": "The names of its models here, and there.",
    "key_env": "The environment variable with the key, which is sent as bearer token. In "
    "capitals, so that no key is written here by mistake. None: no key is sent.",
    "capabilities": "What its models can be assigned to.",
    "context": "Tokens that its models take, for `/v1/models`.",
    "concurrency": "Requests that it gets at the same time; more wait, up to `server.queue_limit`.",
    "connect_timeout": "How long connecting may take.",
    "first_timeout": "How long until the first byte of an answer. One that is not streamed has "
    "none before it is finished.",
    "stall_timeout": "How long between two bytes of an answer.",
}

HTTP = """\
`/openapi.json` of a running service has all of this for programs; this page is made from it.

`null` for an optional parameter is the same as leaving it out. A parameter that is known and can't
be honoured is refused with a 400 that names it. One that is unknown is ignored and named in the
header `x-mlxd-ignored-parameters`.

`model` takes the model's id, one of its aliases, its hub id, its folder, or the name of a
capability: `text`, `vision`, `tool_use`, `structured_output`, `embedding`, `reranker`, or one of
the labels `reasoning` and `code`. A capability means the model that is assigned to it.
"""

PATHS = {
    "/v1/chat/completions": "A chat answer, whole or as a stream.",
    "/v1/completions": "Text that goes on from a bare prompt, whole or as a stream.",
    "/v1/embeddings": "A vector for each input, from an embedding model.",
    "/v1/models": "The models that are served, with aliases, capabilities, context and state, "
    "and `certificate`: what smoke has proved of each, and why that is stale.",
    "/v1/models/{model_id}": "One of them, by any name that `model` may have; a folder or a hub id "
    "as it is.",
    "/health": "200 while the gateway lives. Needs no token.",
    "/ready": "200 when a model can answer now, else 503 with `retry-after`. Needs no token.",
    "/status": "Whether a model can answer, what is wrong with the machine (a disk without "
    "room), servers elsewhere with state and counters. Each engine: state and its cause, "
    "process, requests running and waiting, restarts, "
    "last error, progress, device, versions, the last 32 changes of state.",
    "/metrics": "Counters and histograms for Prometheus.",
    "/doctor": "What `mlxd doctor` finds, as JSON, looked for by a process beside the gateway. "
    "Kept for a minute; `?fresh=1` looks again, `?only=` and `?skip=` take names of checks, with "
    "commas.",
    "/documents": "`GET` lists documents. `POST` adds files, uploaded in the field `file` (with "
    "`source` where a file has a place to stay the same document by, `tag`, `priority`), or by a "
    "`path` below `documents.roots`: 202 with a job each, 200 when nothing has changed.",
    "/documents/{id}": "One of them with its latest jobs; `DELETE` forgets it.",
    "/documents/{id}/chunks": "Its passages, tables and pictures, and the texts that are searched.",
    "/documents/{id}/file": "The file as it was given.",
    "/documents/{id}/images/{revision}/{name}": "A page or picture of it, as results name it.",
    "/documents/{id}/tags": "Give it these tags and no others.",
    "/search": "Passages, tables and pictures that fit `query`, with page, box, snippet and "
    "highlights; `mode` says whether vectors took part.",
    "/tags": "Tags with how many documents have them.",
    "/tags/merge": "Documents with one of `tags` have `to` instead; with one tag, a rename.",
    "/ocr": "The text of a picture or PDF in the field `file`, as `text`, `markdown` or `json` "
    "(with lines and boxes); with `Accept: text/event-stream`, with progress.",
    "/jobs": "Jobs, newest first, and how many there are in each state.",
    "/jobs/events": "Every change of a job as it happens; `last-event-id` or `after` takes the "
    "stream up again.",
    "/jobs/{id}": "One of them: state, reason, step, pages done, seconds left.",
    "/jobs/{id}/events": "Its changes, until it is over.",
    "/jobs/{id}/priority": "`high`, `normal` or `low`, while it is queued.",
    "/jobs/{id}/pause": "Stop it for now; what is done stays done.",
    "/jobs/{id}/resume": "Go on with it.",
    "/jobs/{id}/cancel": "End it.",
    "/jobs/{id}/retry": "Try a failed or cancelled one again.",
    "/models/catalogue": "What is on this machine, usable or not with the reasons, and what the "
    "catalogue knows besides: as `mlxd models ls --json`.",
    "/models/catalogue/{model_id}": "Remove what mlxd downloaded of it; 409 while it is in use.",
    "/logs": "The logs that there are.",
    "/logs/{name}": "The last `lines` of the log of a model, `gateway` or `desk`; with `follow=1`, "
    "what is added to it, as events.",
    "/events": "What the dashboard shows, as a `snapshot` event whenever it has changed.",
    "/proof": "The smoke run under way, if any, and the reports that are kept.",
    "/proof/run": "`POST` begins a smoke run of this service, one at a time: 409 while another "
    "runs. `GET`: its events from the first one on. `DELETE` ends it; what was found is kept.",
    "/proof/reports/{id}": "A report as JSON; with `/smoke.html`, `/smoke.md` or `/smoke.xml` "
    "after it, in that form. `DELETE` forgets it.",
    "/admin/reload": "Read the settings again, as SIGHUP does. Only engines whose own settings "
    "changed are started anew; the answer names them, the keys that changed, and what needs a "
    "restart of the service.",
    "/models/pull": "`GET`: this service's downloads. `POST` with `model` begins one, or joins the "
    "one that runs, and answers at once; with `stream` or `Accept: text/event-stream`, with events "
    "until it has ended.",
    "/models/pull/{model_id}": "`GET`: how far a download is, as events with `Accept: "
    "text/event-stream`. `DELETE` ends it; what has come is kept for the next time.",
    "/models/capabilities": "Each capability with the model assigned to it, and each model with "
    "what it was confirmed to do.",
    "/models/certificates": "What smoke has proved of models on this machine: every certificate "
    "whole, and for each served model whether its own still holds, or why not.",
    "/models/global_capability/{capability}": "Which model serves it. `POST` assigns another, "
    "which is started, and `null` none; a model that nothing needs any more finishes and stops.",
    "/models/confirm_capability/{model_id}/{capability}": "Ask the model itself, with values that "
    "are new each time; the outcome is kept with its time and versions.",
    "/engines/{name}/start": "Start it; also ends a failure.",
    "/engines/{name}/stop": "Finish what runs, then stop until somebody needs it.",
    "/engines/{name}/restart": "Finish what runs, then start anew.",
}

PARAMETERS = {
    "model": "See above.",
    "max_tokens": "Most tokens of the answer. None: as far as the context reaches.",
    "max_completion_tokens": "The same as `max_tokens`; of two, the smaller one counts.",
    "temperature": "0: always the likeliest token. None: what the model's makers recommend in "
    "`generation_config.json`, else 1. The same holds for the next three.",
    "top_p": "Draw from the likeliest tokens that have this share together. 0: the likeliest.",
    "top_k": "Draw from so many. 0 or -1: from all. An extension.",
    "min_p": "Leave out tokens below this share of the likeliest one's probability. An extension.",
    "frequency_penalty": "Subtracted from a token's score for each time it was generated.",
    "presence_penalty": "Subtracted once it was generated.",
    "repetition_penalty": "Divides positive scores, multiplies negative ones of tokens in prompt "
    "or answer. 1: off. An extension.",
    "logit_bias": "Added to scores, by token id; an id that the model lacks is refused.",
    "seed": "The same request with the same seed gets the same tokens on the same device, alone or "
    "in a batch. None: a new one each time.",
    "stop": "Texts at which the answer ends; they are not part of it. Also found across tokens. "
    "Not looked for in reasoning and in the arguments of calls.",
    "n": "So many answers, each with a seed derived from the first one's.",
    "stream": "Server-sent events as the answer is made.",
    "stream_options": "Only with `stream`. `include_usage`: the last chunk has the usage. "
    "`include_obfuscation` is refused when true.",
    "user": "Accepted, without effect: a label for whoever reads it.",
    "service_tier": "`flex`: batch priority, after interactive requests. Anything else: "
    "interactive.",
    "response_format": "What the answer must look like, enforced token by token. `regex` and "
    "`grammar` are extensions.",
    "messages": "The conversation. Roles `developer` and `function` are read as `system` and "
    "`tool`.",
    "prompt": "Text or token ids, or a list of either: at most 256 prompts, times `n`.",
    "input": "Text or token ids, or a list of either: at most 2048 inputs.",
    "logprobs": "For chat: `true` for the log probability of each token. For bare completions: how "
    "many alternatives to name.",
    "top_logprobs": "So many alternatives for each token. Needs `logprobs: true`.",
    "tools": "Functions that the model may call.",
    "tool_choice": "`required` and a named function are enforced by a grammar, arguments too. "
    "None: `auto` where there are tools.",
    "parallel_tool_calls": "`false`: the answer ends after one call.",
    "chat_template_kwargs": "Variables for the model's chat template, `enable_thinking` for "
    "example. Never a template. An extension.",
    "reasoning_effort": "Given to the template as `reasoning_effort`; `none` and `minimal` also "
    "set `enable_thinking` to false.",
    "modalities": "Accepted as long as it does not ask for audio.",
    "verbosity": "Only `medium`; anything else is refused.",
    "metadata": "Refused when not empty: it belongs to answers that are stored.",
    "store": "Refused when true: nothing is stored.",
    "safety_identifier": "Accepted, without effect: a label for whoever reads it.",
    "prompt_cache_key": "Accepted, without effect: the prefix cache needs no key.",
    "prompt_cache_retention": "Refused unless it is `in_memory`.",
    "audio": "Refused: no audio output.",
    "prediction": "Refused: no predicted outputs.",
    "web_search_options": "Refused: no web search.",
    "functions": "Refused: use `tools`.",
    "function_call": "Refused: use `tool_choice`.",
    "chat_template": "Refused: the model's own is used.",
    "echo": "Refused when true: prepend the prompt yourself.",
    "suffix": "Refused when not empty.",
    "best_of": "Refused unless it equals `n`.",
    "encoding_format": "`base64`: little-endian float32. None: `float`.",
    "dimensions": "Cut each vector to its first dimensions and bring it back to length 1.",
}

ANSWERS = """\
## Answers

They have the shape that OpenAI's API documents. What is added, or is worth knowing:

- `choices[].message.reasoning_content` (`delta.reasoning_content` in a stream): what the model
  thought, apart from the answer.
- `choices[].finish_reason`: `stop`, `length` or `tool_calls`.
- `choices[].finish_details`: only where an answer is empty or cut and `finish_reason` alone does
  not say why. `type` is one of `end_of_sequence_first`, `budget_in_reasoning`,
  `budget_in_call`, `stop_sequence_first`, `grammar`, `context`; `message` says it in words.
- `usage.prompt_tokens_details.cached_tokens`: prompt tokens that came from the prefix cache.
- `usage.completion_tokens_details.reasoning_tokens`: how much of the answer was reasoning.
- In a stream, lines that begin with `:` are comments (`: loading 40 %`, `: queued`). They say what
  the answer is waiting for; clients of server-sent events skip them.
- An error after the first byte of a stream is an event with the error object, then
  `data: [DONE]`.
- Models: `aliases`, `capabilities`, `context_length`, `state`, `path`, `size_bytes`.
"""

HEADERS = {
    "authorization": "In requests: `Bearer` and the token, where one is set.",
    "x-request-id": "The answer's own id, on chat and bare completions.",
    "x-mlxd-ignored-parameters": "Parameters at the top of the body that nobody here knows, at "
    "most 32.",
    "retry-after": "Seconds, with 429 and 503.",
    "www-authenticate": "`Bearer`, with 401.",
}

ERRORS = """\
`{"error": {"message", "type", "param", "code"}}`. `message` says what happened and what to do,
`param` names the place in the request (`messages[0].content`), `code` is for programs and may be
null. What to do about each: [errors](../runbooks/errors.md)."""

# Of the engine itself, not of a request: the gateway answers engine_unavailable and quotes it.
NOT_IN_ANSWERS = {"cannot_load", "device_failed"}

# Of a download: in the last event of its stream, and in what `GET /models/pull/{model_id}` has.
DOWNLOADS = "a download"

CODES = {
    "cannot_start": (DOWNLOADS, "Its process can't be started."),
    "cannot_write": (DOWNLOADS, "The cache can't be written, or can't keep the model's names."),
    "disk_full": (DOWNLOADS, "There is no room for it, or no longer."),
    "download_corrupt": (DOWNLOADS, "A file is not what the hub promises."),
    "download_ended": (DOWNLOADS, "Its process was ended, and could not say why."),
    "hub_busy": (DOWNLOADS, "The hub wants to be asked later."),
    "hub_changed": (DOWNLOADS, "The model was changed on the hub while it came."),
    "hub_model_gated": (DOWNLOADS, "Conditions have to be accepted first."),
    "hub_model_not_found": (DOWNLOADS, "The hub has no such model, or does not show it."),
    "hub_unauthorized": (DOWNLOADS, "The token is refused, or may not read it."),
    "hub_unreachable": (DOWNLOADS, "No connection, or none that holds."),
    "hub_wrong": (DOWNLOADS, "What answers is no hub, or lists what no hub does."),
    "not_servable": (DOWNLOADS, "Nothing here can load it."),
    "offline": (DOWNLOADS, "`HF_HUB_OFFLINE` is set, and something is missing."),
    "unsupported_encoding": ("415", "The body is compressed; it has to be sent as it is."),
    "body_timeout": ("408", "The body came too slowly."),
    "body_too_large": ("413", "The body is over `server.body_limit`."),
    "capability_not_found": ("404", "There is no capability of this name."),
    "context_length_exceeded": ("400", "The prompt does not fit into the model's context."),
    "desk_unavailable": ("503", "The process of documents and agent can't answer just now."),
    "document_not_found": ("404", "There is no such document."),
    "docs_not_installed": ("501", "The libraries for documents are not installed."),
    "agent_not_installed": ("501", "The libraries for the agent are not installed."),
    "file_not_found": ("404", "There is no such file, or it is gone."),
    "documents_changing": ("503", "All that a search found was replaced before it could be shown."),
    "job_not_found": ("404", "There is no such job."),
    "message_not_found": ("404", "There is no such message in this conversation."),
    "log_not_found": ("404", "There is no log of this name."),
    "report_not_found": ("404", "There is no report of smoke with this id."),
    "no_proof": ("404", "No run of smoke was begun since the service started."),
    "proof_running": ("409", "A run of smoke is under way."),
    "model_in_use": ("409", "The model serves a capability, runs, or is being downloaded."),
    "not_ours": ("409", "mlxd did not download this model."),
    "page_not_found": ("404", "The document has no such page."),
    "session_not_found": ("404", "There is no such conversation."),
    "model_changed": ("job", "Another model was assigned to embedding in the middle of a job."),
    "model_failed": ("job", "A model refused what a job asked of it; the reason is its own."),
    "path_not_allowed": ("403", "A path is not below `documents.roots`."),
    "unsupported_media_type": ("415", "The body is neither a form with files nor JSON."),
    "storage_full": ("507", "There is no room on the disk for what was sent."),
    "wrong_state": ("409", "The job is in a state in which this can't be done."),
    "engine_error": ("500", "The engine failed at this request; the message is its own."),
    "engine_unavailable": ("503", "The model's engine failed, or the service is stopping."),
    "grammar_too_complex": ("400", "The wanted format is too complex to compile or to follow."),
    "head_timeout": ("408", "The request's head came too slowly."),
    "headers_too_large": ("431", "The request's head is over 64 KiB."),
    "host_not_allowed": ("403", "The `Host` header names a host that is not allowed."),
    "image_fetch_failed": ("400", "An image could not be fetched."),
    "image_too_large": ("400", "An image has too many bytes or pixels."),
    "image_url_not_allowed": ("400", "The settings don't allow reading an image from there."),
    "internal_error": ("500", "A defect in the gateway."),
    "invalid_api_key": ("401", "The token is missing or wrong."),
    "invalid_http": ("400", "The request is no HTTP, or its head could be understood in two ways."),
    "invalid_image": ("400", "What was sent is no image that can be read."),
    "invalid_image_url": ("400", "The URL of an image can't be used."),
    "invalid_settings": ("400", "The settings, read again, can't be used; the old ones hold."),
    "invalid_value": ("400", "A parameter has a wrong type or value."),
    "memory_exceeded": ("400", "Prompt and answer can never fit into the memory set aside."),
    "missing_required_parameter": ("400", "A parameter is missing."),
    "download_not_found": ("404", "No download of this model was begun here."),
    "model_downloading": ("503", "The model is being downloaded, or could not be."),
    "model_not_capable": ("400", "The model can't do what was asked of it."),
    "model_not_found": ("404", "No model has this name; the message lists what there is."),
    "not_found": ("404", "The second address serves only `/v1`."),
    "origin_not_allowed": ("403", "The `Origin` header names a page that is not allowed."),
    "out_of_memory": ("503", "There was not enough memory just now."),
    "overloaded": ("429", "Too many requests run or wait already."),
    "state_not_kept": ("503", "A change could not be written down, so it was not made."),
    "remote_failed": ("502", "A server elsewhere gave an answer that is none, or broke it off."),
    "remote_key_missing": ("503", "The key of a server elsewhere is not in the environment."),
    "remote_loop": ("508", "The remotes of several services lead back to one of them."),
    "remote_timeout": ("504", "A server elsewhere did not begin to answer in time."),
    "remote_unreachable": ("503", "A server elsewhere can't be reached."),
    "unsupported_parameter": ("400", "A known parameter that can't be honoured here."),
}
