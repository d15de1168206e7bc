# SPDX-License-Identifier: MIT
# bash completion for tcpwatch

# Takes a name from each line of stdin. A name may hold anything, so it is quoted.
_tcpwatch_names() {
    local name

    while IFS= read -r name; do
        [[ $name == "$1"* ]] && COMPREPLY+=("$(printf %q "$name")")
    done
}

_tcpwatch() {
    local command=${COMP_WORDS[1]} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local states='LISTEN SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT CLOSING
        LAST_ACK TIME_WAIT CLOSE'
    local options='--help --usage --version'
    local list item

    COMPREPLY=()
    # --state=CLOSE comes as three words: '=' is one of COMP_WORDBREAKS.
    if [[ $cur == '=' ]]; then
        cur=
    elif [[ $prev == '=' ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    # Of a comma list the last item is completed.
    item=${cur##*,}
    list=${cur%"$item"}

    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "monitor list server client lab $options" -- "$cur"))
        return
    fi
    case $prev in
        -p | --port | --local-port | --remote-port)
            COMPREPLY=($(compgen -A service -P "$list" -- "$item"))
            return ;;
        -s | --state)
            item=${item//-/_}
            states+=' NEW_SYN_RECV BOUND_INACTIVE'
            COMPREPLY=($(compgen -W "$states" -P "$list" -- "${item^^}"))
            return ;;
        --until)
            cur=${cur//-/_}
            COMPREPLY=($(compgen -W "$states" -- "${cur^^}"))
            return ;;
        --source)
            COMPREPLY=($(compgen -W 'auto poll trace' -- "$cur"))
            return ;;
        --model)
            COMPREPLY=($(compgen -W 'event fork' -- "$cur"))
            return ;;
        --on-eof)
            COMPREPLY=($(compgen -W 'exit stay' -- "$cur"))
            return ;;
        --bind | -b)
            [[ $command == server ]] && COMPREPLY=($(compgen -W 'any' -- "$cur"))
            return ;;
        --color)
            COMPREPLY=($(compgen -W 'auto always never' -- "$cur"))
            return ;;
        -N | --netns)
            if [[ $cur == */* ]]; then
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            else
                _tcpwatch_names "$cur" < <([[ $command == monitor ]] && echo all
                    ls /run/netns 2>/dev/null)
            fi
            return ;;
        --process)
            _tcpwatch_names "$cur" < <(cat /proc/[0-9]*/comm 2>/dev/null | sort -u)
            return ;;
        -[acdi] | --address | --count | --duration | --interval | --stuck | --keepalive | \
            --user-timeout | --close-after | --idle-timeout | --max-connections | \
            --connect-timeout | --read-timeout | --send | --every)
            return ;;
    esac
    case $command in
        monitor | list)
            options+=' -4 -6 --address= --color= --json --local-port= --netns= --no-header
                --no-owner --port= --process= --remote-port= --state=' ;;
        lab)
            options+=' --color= --json --real-time'
            if [[ $cur != -* ]]; then
                COMPREPLY=($(compgen -W "all $(command tcpwatch lab 2>/dev/null | cut -d ' ' -f 1)" \
                    -- "$cur"))
                return
            fi ;;
        server | client)
            options+=' -4 -6 --bind= --color= --json --keepalive= --user-timeout=' ;;
    esac
    case $command in
        monitor)
            options+=' --count= --duration= --interval= --source= --stuck= --until=' ;;
        server)
            options+=' --close-after= --hold --idle-timeout= --max-connections= --model= --no-read
                --port= --reset' ;;
        client)
            options+=' --blocking --connect-timeout= --count= --every= --icmp-errors --on-eof=
                --read-timeout= --send='
            if [[ $cur != -* ]]; then
                COMPREPLY=($(compgen -A hostname -- "$cur"))
                return
            fi ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
}

complete -F _tcpwatch tcpwatch
