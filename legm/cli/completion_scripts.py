"""The scripts with which a shell completes legm's commands."""

from __future__ import annotations

import click

__all__ = ["completion_script"]

_BASH = r"""_legm_completion() {
    # Bash splits words at "=" and ":" too, which names of configurations hold: what touches is one word here.
    local IFS=$'\n' rest="${COMP_LINE:0:COMP_POINT}" words=() piece before='' i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece="${COMP_WORDS[i]}"
        if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then
            rest="${rest#"${rest%%[![:space:]]*}"}"
            words+=('')
            before=''
        else
            before="${words[-1]}"
        fi
        ((i == COMP_CWORD)) && piece="$rest"
        words[-1]+="$piece"
        rest="${rest#"$piece"}"
    done
    [[ $piece == [=:] ]] && before="${words[-1]}"
    local breaks="${before//[^=:]/}" quote='' type value
    local single="'" double='"' tick='`'
    for ((i = 0; i < ${#words[-1]}; i++)); do
        piece="${words[-1]:i:1}"
        if [[ $piece == \\ && $quote != \' ]]; then
            ((i++))
        elif [[ -z $quote && $piece == [\'\"] ]]; then
            quote="$piece"
        elif [[ $piece == "$quote" ]]; then
            quote=''
        fi
    done
    COMPREPLY=()
    while IFS=',' read -r type value; do
        if [[ $type == dir ]]; then
            compopt -o dirnames
        elif [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == plain ]]; then
            [[ $value == *[/=] ]] && compopt -o nospace
            for ((i = 0; i < ${#breaks}; i++)); do value="${value#*[=:]}"; done
            # A name may come from a file that somebody else made: in the command line it is only a text.
            if [[ $value == *[^A-Za-z0-9_./,:=@%+-]* ]]; then
                case "$quote" in
                    \') value="${value//$single/$single\\$single$single}" ;;
                    \") [[ $value == *!* ]] && continue
                        value="${value//\\/\\\\}"
                        value="${value//\$/\\$}"
                        value="${value//$tick/\\$tick}"
                        value="${value//$double/\\$double}" ;;
                    *) printf -v value %q "$value" ;;
                esac
            fi
            COMPREPLY+=("$value")
        fi
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _LEGM_COMPLETE=bash_complete "$1")
}
complete -o nosort -F _legm_completion legm
"""


def completion_script(shell: str, command: click.Command) -> str:
    """The script that completes legm's commands in a shell: legm's own for bash, click's for the others."""
    if shell == "bash":
        return _BASH
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - one of click's own
    return made(command, {}, "legm", "_LEGM_COMPLETE").source()
