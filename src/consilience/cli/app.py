"""The commands, and the edge where errors become one line and an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from consilience import __version__
from consilience.cli import ask, bench, doctor, fit, lists, moco, record
from consilience.cli.console import err, whisper
from consilience.cli.waiting import INTERRUPTED
from consilience.errors import ConfigError, ConsilienceError, did_you_mean

WRONG = 2
"""Exit code where something was asked that cannot be done. An error that nobody foresaw exits with 1."""

UsageError: Any = typer.BadParameter.__base__
"""What Typer raises for a command line that it cannot take: a class of its own, or of click, by its version."""

DISK = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG,
                  errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO})
"""What is wrong with a place that the user named, or with the disk that it is on."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

RESUMES = {"bench": "Nothing that was generated is lost: the same command goes on where it stopped.",
           "fit": "The store keeps what was generated: the same command asks for the rest only.",
           "record": "What was recorded is kept: the same command goes on where it stopped."}


class Edge(TyperGroup):
    """The group of commands: turns errors into a line on stderr, and takes `--debug` anywhere."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`--debug` may stand before or behind the command."""
        mark = args.index("--") if "--" in args else len(args)
        if "--debug" in args[:mark]:
            args = ["--debug", *(a for i, a in enumerate(args) if a != "--debug" or i >= mark)]
        given = bool(args)
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            if not given:
                raise       # which shows the help
            raise typer.Exit(_tell(misused(error), "")) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of this name, or a ConfigError with a hint."""
        if args and args[0] not in self.commands:
            raise ConfigError(f"there is no command {args[0]!r}.{did_you_mean(args[0], self.commands)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. ConsilienceError exits 2, Ctrl-C 130, anything else 1; `--debug` lets errors through."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            whisper("\ninterrupted. " + RESUMES.get(ctx.invoked_subcommand or "", ""), style="yellow")
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            error = misused(error) if isinstance(error, UsageError) else error
            raise typer.Exit(_tell(error, ctx.invoked_subcommand or "")) from None


def misused(error: Any) -> ConfigError:
    """What is wrong with a command line, in one sentence with a hint."""
    context, said = error.ctx, " ".join(error.format_message().split())
    if context is None:
        return ConfigError(said)
    path = "consilience" if context.parent is None else f"consilience {context.info_name}"
    known = [word for parameter in context.command.params for word in (*parameter.opts, *parameter.secondary_opts)
             if word.startswith("-")]
    name = getattr(error, "option_name", None)
    if name is not None and name not in known:
        return ConfigError(f"{path} has no option {name!r}.{did_you_mean(name, known)}")
    return ConfigError(f"{path}: {said.rstrip('.')}. See {path} --help")


def _tell(error: BaseException, command: str) -> int:
    """Say what went wrong in one line; the exit code."""
    while isinstance(error, BaseExceptionGroup):
        error = next((e for e in error.exceptions if isinstance(e, ConsilienceError)), error.exceptions[0])
    disk = isinstance(error, OSError) and error.errno in DISK
    known = isinstance(error, ConsilienceError) or disk
    line = " ".join(str(error).split()) or type(error).__name__
    if disk:
        line = f"{error.filename or 'a file'} cannot be read or written: {error.strerror}"
        line += f". Make room. {RESUMES.get(command, '')}".rstrip() if error.errno in FULL else ""
    err().print("[bold red]error:[/] ", end="")
    whisper(line if known else f"{type(error).__name__}: {line} (unforeseen, {_place(error)}; --debug shows the way there)", style="")
    return WRONG if known else 1


def _place(error: BaseException) -> str:
    """The file and line where an error came up."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "nowhere in Python"


app = typer.Typer(cls=Edge, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
                  rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"consilience {__version__}\n")
        raise typer.Exit


@app.callback()
def consilience(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """A team of language models that answers as one: run, benchmark, compare and serve model collaboration.

    \b
    Begin here:
      consilience doctor                    what works on this machine
      consilience pool                      the models that came along
      consilience methods                   how models can work together
      consilience bench examples/main.yaml  compare them
    """


app.command("ask")(ask.ask)
app.command("bench")(bench.bench)
app.command("fit")(fit.fit)
app.command("report")(bench.report)
app.command("methods")(lists.methods)
app.command("tasks")(lists.tasks)
app.command("pool")(lists.pool)
app.command("record")(record.record)
app.command("import-moco")(moco.import_moco)
app.command("doctor")(doctor.doctor)
