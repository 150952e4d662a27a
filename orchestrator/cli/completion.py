"""Completion in shells: which parameter is completed with what, the scripts, and the command that prints them.

A shell calls the program with the words of its line. Whatever is wrong then, nothing is written into that line.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, cast

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, get_completion_class
from click.shell_completion import split_arg_string as split

from orchestrator.cli import known_names
from orchestrator.cli.base import Command, OneOf
from orchestrator.cli.column_options import KIND_OPTIONS, VALUES, WORDS
from orchestrator.columns.wish import CATEGORICAL, IGNORE
from orchestrator.naming import SKLEARN_PREFIX

EXAMPLE = """Print the script that completes commands, options and names in SHELL: columns of the data that is named
before, sweeps, trials, models, search spaces.

\b
Example:
  eval "$(orchestrator completion bash)"                                     # at the end of ~/.bashrc
  orchestrator completion zsh > "${fpath[1]}/_orchestrator"                  # then a new shell; compinit must be on
  orchestrator completion fish > ~/.config/fish/completions/orchestrator.fish
"""
SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_ORCHESTRATOR_COMPLETE"
DATA_SETS = [f"{SKLEARN_PREFIX}{name}" for name in ("iris", "wine", "breast_cancer", "digits", "diabetes")]
# what means something to a shell
SPECIAL, ESCAPED = re.compile(r"([^\w@%+=:,./-])"), r"\\\1"

BASH = """\
# install: eval "$(orchestrator completion bash)" at the end of ~/.bashrc
%(complete_func)s() {
    local line
    local -a response
    mapfile -t response < <(env %(complete_var)s=bash_complete ORCHESTRATOR_LINE="${COMP_LINE:0:COMP_POINT}" \\
        ORCHESTRATOR_BREAKS="$COMP_WORDBREAKS" "$1" 2>/dev/null)
    COMPREPLY=()
    for line in "${response[@]}"; do
        case "$line" in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain,*) COMPREPLY+=("${line#plain,}") ;;
        esac
    done
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=/] ]]; then compopt -o nospace; fi
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
ZSH = """\
#compdef %(prog_name)s
# install: orchestrator completion zsh > "${fpath[1]}/_orchestrator", then a new shell; compinit must be on
%(complete_func)s() {
    local -a response closed open described shown
    local kind value about
    local -a before=("${(@Q)words[1,CURRENT-1]}")
    local given="${(pj:\\n:)before}"
    response=("${(@f)$(env %(complete_var)s=zsh_complete ORCHESTRATOR_WORDS="$given" ORCHESTRATOR_WORD="${(Q)PREFIX}" \\
        $words[1] 2>/dev/null)}")
    for kind value about in "${response[@]}"; do
        case "$kind" in
            dir) _path_files -/ ;;
            file) _path_files ;;
            plain)
                if [[ "$value" == *[:=/] ]]; then open+=("$value")
                elif [[ "$about" == "_" ]]; then closed+=("$value")
                else described+=("$value"); shown+=("$value  -- $about"); fi ;;
        esac
    done
    (( $#open )) && compadd -S '' -V open -a open
    (( $#closed )) && compadd -V closed -a closed
    (( $#described )) && compadd -V described -l -d shown -a described
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""
FISH = """\
# install: orchestrator completion fish > ~/.config/fish/completions/orchestrator.fish
function %(complete_func)s
    set -l given (commandline -opc | string collect)
    set -l word (commandline -ct | string collect)
    set -l response (env %(complete_var)s=fish_complete ORCHESTRATOR_WORDS="$given" ORCHESTRATOR_WORD="$word" \\
        (commandline -opc)[1] 2>/dev/null)
    for line in $response
        switch $line
            case dir
                __fish_complete_directories "$word"
            case file
                __fish_complete_path "$word"
            case '*'
                echo $line
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

Find = Callable[[Mapping[str, Any], str], list[str] | None]


def _begin(names: Callable[[Mapping[str, Any]], list[str]], *, end: str = "", more: tuple[str, ...] = ()) -> Find:
    return lambda given, _word: [*(f"{name}{end}" for name in names(given)), *more]


def _data(given: Mapping[str, Any], word: str) -> list[str] | None:
    del given
    return known_names.files(word, DATA_SETS)


def _source(given: Mapping[str, Any], word: str) -> list[str] | None:
    return known_names.files(word, [*DATA_SETS, *(known_names.models(given) if word.startswith("m") else ())])


def _models(given: Mapping[str, Any], word: str) -> list[str] | None:
    found = known_names.models(given)
    # a bundle's folder is a model, too
    return found if any(name.startswith(word) for name in found) else None


def _spaces(given: Mapping[str, Any], word: str) -> list[str] | None:
    found = known_names.spaces(given)
    return found if any(name.startswith(word) for name in found) else None


def _names(command: str) -> Find | None:
    names = {
        "promote": known_names.model_names,
        "rollback": known_names.model_names,
        "undeploy": known_names.endpoints,
        "spaces": known_names.spaces,
    }
    return _begin(names[command]) if command in names else None


COLUMNS = _begin(known_names.columns)
# by the names of parameters; what each finds, None where files are meant
FINDS: Mapping[str, Find] = {
    "data": _data,
    "source": _source,
    **dict.fromkeys(
        ("target", "group", "time", "split_column", "weight", "keep", CATEGORICAL, IGNORE, *KIND_OPTIONS), COLUMNS
    ),
    **dict.fromkeys((*VALUES, *WORDS), _begin(known_names.columns, end="=")),
    "target_statistics": _begin(known_names.columns, more=("auto", "none")),
    **dict.fromkeys(("sweep", "sweeps", "warm_start", "removed"), _begin(known_names.sweeps)),
    **dict.fromkeys(("trial", "from_trial"), known_names.trials),
    **dict.fromkeys(("model", "models"), _models),
    **dict.fromkeys(("version", "canary_version", "shadow_version"), _begin(known_names.versions)),
    "space": _spaces,
    "architecture": _begin(known_names.architectures),
    "metric": _begin(known_names.metrics),
    **dict.fromkeys(("validation", "test", "background", "truth", "auth_token_file", "tls_cert", "tls_key"), _data),
    **dict.fromkeys(("storage", "log_folder"), lambda _given, _word: None),
}


class Word(click.types.StringParamType):
    """A text that a shell can complete."""

    def __init__(self, find: Find) -> None:
        """Args:
        find: the texts that there are, given the parameters before, and what is there of the word.
        """
        self._find = find

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """See click."""
        given: dict[str, Any] = {}
        for context in _outwards(ctx):
            given = {**context.params, **given}
        found = self._find(given, incomplete)
        if found is None:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in dict.fromkeys(found) if name.startswith(incomplete)]


def _outwards(context: click.Context | None) -> Iterator[click.Context]:
    while context is not None:
        yield context
        context = context.parent


def make_completable(command: click.Command) -> None:
    """Gives the parameters of a command, and of those below it, that are names of something a `Word` as their type."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            make_completable(inner)
    for param in command.params:
        find = _names(command.name or "") if param.name == "name" else FINDS.get(param.name or "")
        if find is not None and type(param.type) is click.types.StringParamType:
            param.type = Word(find)


class Completion(ShellComplete):
    """What all shells have in common: one that fails, completes nothing and says nothing.

    Attributes:
        kept: what stays of the word: `--target=` in front of a column, where a shell replaces the whole word.
    """

    kept: str = ""
    incomplete: str = ""

    def source(self) -> str:
        """The script."""
        return self.source_template % self.source_vars()

    def complete(self) -> str:
        """See click."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return super().complete()
        except Exception:  # whatever is wrong with a file or a store, the line that the user types stays as it is
            return ""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """See click, which forgets arguments before an option without its value; with `=` it has one."""
        if args and args[-1].startswith("-") and args[-1].strip("-") and "=" not in args[-1]:
            return super().get_completions(args[:-1], f"{args[-1]}={incomplete}")
        return super().get_completions(args, incomplete)

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before, and what is there of the one that is completed."""
        words = os.environ["ORCHESTRATOR_WORDS"].split("\n")
        word = os.environ["ORCHESTRATOR_WORD"]
        self._take(word)
        return words[1:], word

    def _take(self, word: str) -> None:
        option, sign, value = word.partition("=")
        is_option = bool(sign) and option.startswith("--")
        self.kept, self.incomplete = (f"{option}=", value) if is_option else ("", word)


class BashCompletion(Completion):
    """Bash splits words at `:`, `=` and `@`, too, and replaces the last piece only."""

    name: ClassVar[str] = "bash"
    source_template: ClassVar[str] = BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """See `Completion`."""
        line = os.environ["ORCHESTRATOR_LINE"]
        words = split(line)
        ends = not line or (line[-1].isspace() and not line.endswith("\\ ") and _open_quote(line) is None)
        word = "" if ends else words.pop()
        self._take(word)
        self._quoted = _open_quote(line) is not None
        breaks = [sign for sign in ":=@" if sign in os.environ.get("ORCHESTRATOR_BREAKS", "")]
        piece = word if self._quoted or not breaks else re.split(f"[{''.join(breaks)}]", word)[-1]
        self._cut = max(0, len(self.incomplete) - len(piece))
        return words[1:], word

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """See click."""
        if item.type != "plain":
            return item.type
        value = str(item.value)[self._cut :]
        return f"plain,{value if self._quoted else SPECIAL.sub(ESCAPED, value)}"


def _open_quote(line: str) -> str | None:
    """The quotation mark that is still open at the end of a line."""
    quote, escaped = None, False
    for sign in line:
        if escaped:
            escaped = False
        elif sign == "\\" and quote != "'":
            escaped = True
        elif sign == quote:
            quote = None
        elif quote is None and sign in "\"'":
            quote = sign
    return quote


class ZshCompletion(Completion):
    """Three lines for each name: what it is, itself, and what is said about it."""

    name: ClassVar[str] = "zsh"
    source_template: ClassVar[str] = ZSH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """See click."""
        about = " ".join((item.help or "").split()) or "_"
        return f"{item.type}\n{self.kept}{item.value or '_'}\n{about}"


class FishCompletion(Completion):
    """A line for each name, with what is said about it behind a tab."""

    name: ClassVar[str] = "fish"
    source_template: ClassVar[str] = FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        """See `Completion`; the word is as it was typed."""
        words, word = super().get_completion_args()
        word = (split(word) or [""])[0]
        self._take(word)
        return words, word

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """See click."""
        if item.type != "plain":
            return item.type
        about = " ".join((item.help or "").split())
        return f"{self.kept}{item.value}" + (f"\t{about}" if about else "")


for known in (BashCompletion, ZshCompletion, FishCompletion):
    add_completion_class(known)


@click.command(cls=Command, help=EXAMPLE)
@click.argument("shell", type=OneOf(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """See EXAMPLE."""
    root = context.find_root()
    kind = cast(type[ShellComplete], get_completion_class(shell))
    click.echo(kind(root.command, {}, "orchestrator", VARIABLE).source(), nl=False)
