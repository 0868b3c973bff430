"""What systemd and launchd are told: pure text, from a command and its surroundings."""

import plistlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

MARK = "Written by `mlxd service install`; `mlxd service uninstall` removes it."
# Mistakes that another start would only repeat: the model, the settings, the port.
LASTING_EXITS = (1, 2, 3)
# Between two starts after a failure, and how many of them before it is given up.
AGAIN_S, TRIES, WITHIN_S = 5, 5, 300


class Wanted(msgspec.Struct, frozen=True):
    """`stop_s`: how long an orderly end may take."""

    command: Sequence[str]
    environment: Mapping[str, str]
    home: Path
    log: Path
    stop_s: int


def systemd_unit(wanted: Wanted, env_file: Path) -> str:
    return f"""\
# {MARK}
[Unit]
Description=mlxd, the model daemon for MLX
StartLimitIntervalSec={WITHIN_S}
StartLimitBurst={TRIES}

[Service]
Type=exec
ExecStart={" ".join(_quoted(one) for one in wanted.command)}
ExecReload=/bin/kill -HUP $MAINPID
EnvironmentFile=-{_specifiers(str(env_file))}
WorkingDirectory={_specifiers(str(wanted.home))}
Restart=on-failure
RestartSec={AGAIN_S}
RestartPreventExitStatus={" ".join(map(str, LASTING_EXITS))}
# Engines are ended by the gateway, which lets their answers finish first.
KillMode=mixed
TimeoutStopSec={wanted.stop_s}
# An engine that is out of memory is replaced; it must not take the service with it.
OOMPolicy=continue

[Install]
WantedBy=default.target
"""


def env_text(environment: Mapping[str, str]) -> str:
    lines = [f"{name}={_quoted_value(value)}" for name, value in sorted(environment.items())]
    return "\n".join([f"# {MARK}", *lines, ""])


def launchd_plist(wanted: Wanted, label: str) -> str:
    made = plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": list(wanted.command),
            "EnvironmentVariables": dict(wanted.environment),
            "WorkingDirectory": str(wanted.home),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": AGAIN_S * 2,
            "ExitTimeOut": wanted.stop_s,
            # "Background" would have its processor and disk time cut.
            "ProcessType": "Interactive",
            "StandardOutPath": str(wanted.log),
            "StandardErrorPath": str(wanted.log),
        }
    ).decode()
    head, opening, rest = made.partition("<plist")
    return f"{head}<!-- {MARK} -->\n{opening}{rest}"


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One argument of ExecStart: no splitting, no variables, no specifiers."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{_specifiers(escaped)}"'


def _quoted_value(text: str) -> str:
    """In a file of variables, nothing is expanded; quotes keep blanks and line ends."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
    return '"' + escaped.replace("$", "\\$") + '"'
