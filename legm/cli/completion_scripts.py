"""The scripts with which a shell completes legm's commands."""

from __future__ import annotations

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


_ZSH = r"""#compdef legm

_legm_completion() {
    local -a response plain open described
    local type value help
    (( $+commands[legm] )) || return 1
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) \
        _LEGM_COMPLETE=zsh_complete legm)}")
    for type value help in "${response[@]}"; do
        if [[ $type == dir ]]; then
            _path_files -/
        elif [[ $type == file ]]; then
            _path_files -f
        elif [[ $value == *[=:/] ]]; then
            open+=("$value") # no space behind it: a value or the rest of a path follows
        elif [[ $type == plain && $help == _ ]]; then
            plain+=("$value")
        elif [[ $type == plain ]]; then
            described+=("$value:$help")
        fi
    done
    (( ${#described} )) && _describe -V unsorted described -U
    (( ${#plain} )) && compadd -U -V unsorted -a plain
    (( ${#open} )) && compadd -U -V unsorted -S '' -a open
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _legm_completion "$@"
else
    compdef _legm_completion legm
fi
"""

_FISH = r"""function _legm_completion
    set -l words (commandline -cp)
    set -l word (commandline -t)
    set -l response (env _LEGM_COMPLETE=fish_complete COMP_WORDS="$words" COMP_CWORD="$word" legm)
    for one in $response
        # Values hold commas too.
        set -l parts (string split --max 1 "," -- $one)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end

complete --no-files --keep-order --command legm --arguments "(_legm_completion)"
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion_script(shell: str) -> str:
    """The script that completes legm's commands in a shell: bash, zsh or fish.

    It asks ``legm`` by click's protocol. click's own scripts know nothing of names and values with ``=``,
    ``:`` or commas.
    """
    return _SCRIPTS[shell]
