"""How bash and zsh ask for completions: click's way, but for words with ``=`` in them and no space behind ``=``."""

import os

from click.shell_completion import BashComplete, CompletionItem, ZshComplete, add_completion_class, split_arg_string

_BASH = """\
%(complete_func)s() {
    local type value response
    COMPREPLY=()
    response=$(env COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                COMPREPLY+=("$value")
                [[ $value == *[=/] ]] && compopt -o nospace
                ;;
        esac
    done <<< "$response"
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local type key descr
    local -a response open closed
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(env COMP_LINE="${(j: :)words[1,CURRENT]}" \\
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for type key descr in ${response}; do
        case $type in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            plain)
                [[ $descr == "_" ]] || descr=":$descr"
                if [[ $key == *[=/] ]]; then open+=("$key${descr#_}"); else closed+=("$key${descr#_}"); fi
                ;;
        esac
    done
    (( $#open )) && _describe -V unsorted open -U -S ''
    (( $#closed )) && _describe -V unsorted closed -U
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""


def _typed() -> tuple[list[str], str]:
    """Return the words before the cursor, and the beginning of the one at it."""
    line = os.environ.get("COMP_LINE", "")
    words = split_arg_string(line)
    last = words.pop() if words and not line[-1:].isspace() else ""
    return words[1:], last


class Bash(BashComplete):
    """Bash takes ``=`` and ``:`` for the end of a word, and replaces what is behind."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the beginning of the one at it."""
        return _typed()

    def get_completions(self, args: list[str], incomplete: str) -> "list[CompletionItem[str]]":
        """Return what completes a word, without what bash takes for words of their own."""
        breaks = os.environ.get("COMP_BREAKS", "=:")
        kept = incomplete[: 1 + max((incomplete.rfind(mark) for mark in "=:" if mark in breaks), default=-1)]
        items = super().get_completions(args, incomplete)
        for item in items:
            item.value = item.value.removeprefix(kept)
        return items


class Zsh(ZshComplete):
    """Zsh replaces the whole word, ``--option=`` included."""

    source_template = _ZSH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the beginning of the one at it."""
        return _typed()

    def get_completions(self, args: list[str], incomplete: str) -> "list[CompletionItem[str]]":
        """Return what completes a word."""
        option, sign, _ = incomplete.partition("=")
        items = super().get_completions(args, incomplete)
        for item in items:
            if sign and option.startswith("-"):
                item.value = f"{option}={item.value}"
        return items

    def format_completion(self, item: "CompletionItem[str]") -> str:
        """Say type, value and meaning on a line each, colons of the value escaped."""
        value = item.value.replace(":", r"\:")
        return f"{item.type}\n{value}\n{' '.join((item.help or '_').split())}"


def asked_words() -> list[str]:
    """Make both shells known to click, and return what is typed so far."""
    add_completion_class(Bash)
    add_completion_class(Zsh)
    return split_arg_string(os.environ.get("COMP_LINE") or os.environ.get("COMP_WORDS", ""))
