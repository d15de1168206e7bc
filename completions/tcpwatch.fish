# SPDX-License-Identifier: MIT
# fish completion for tcpwatch

# The value that is being typed, without its option.
function __tcpwatch_typed
    commandline -ct | string replace -r '^(--[a-z-]+=|-[a-zA-Z])' ''
end

# The items behind what stands before the last one of a comma list.
function __tcpwatch_list
    printf '%s\n' (__tcpwatch_typed | string replace -r '[^,]*$' '')$argv
end

function __tcpwatch_ports
    __tcpwatch_list (string replace -rf '^([a-z][\w-]*)\s+\d+/tcp.*' '$1' </etc/services)
end

# What has a '/' is a path.
function __tcpwatch_netns
    if __tcpwatch_typed | string match -q '*/*'
        __fish_complete_path (__tcpwatch_typed)
    else
        command ls /run/netns 2>/dev/null
    end
end

set -l states LISTEN SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT CLOSING LAST_ACK \
    TIME_WAIT CLOSE
set -l both -c tcpwatch -n '__fish_seen_subcommand_from monitor list'
set -l monitor -c tcpwatch -n '__fish_seen_subcommand_from monitor'

complete -c tcpwatch -f
complete -c tcpwatch -n __fish_use_subcommand -a monitor -d 'Print every state transition'
complete -c tcpwatch -n __fish_use_subcommand -a list -d 'Print the connections as they stand now'
complete -c tcpwatch -s '?' -l help -d 'List the options'
complete -c tcpwatch -l usage -d 'List the options in short'
complete -c tcpwatch -s V -l version -d 'Print the version'

complete $both -s 4 -d 'IPv4 sockets only'
complete $both -s 6 -d 'IPv6 sockets only'
complete $both -s a -l address -x -d "Either end's address or network"
complete $both -s p -l port -x -a '(__tcpwatch_ports)' -d "Either end's port"
complete $both -l local-port -x -a '(__tcpwatch_ports)' -d "This end's port"
complete $both -l remote-port -x -a '(__tcpwatch_ports)' -d "The peer's port"
complete $both -s s -l state -x -d States \
    -a "(__tcpwatch_list $states NEW_SYN_RECV BOUND_INACTIVE)"
complete $both -l process -x -a '(__fish_complete_proc; __fish_complete_pids)' \
    -d 'Sockets of this process only'
complete $both -s N -l netns -x -a '(__tcpwatch_netns)' -d 'Look in that network namespace'
complete $both -l no-owner -d 'Do not look up which process owns a socket'
complete $both -s j -l json -d 'One JSON object a line'
complete $both -l color -x -a 'auto always never' -d Colours
complete $both -s H -l no-header -d 'No heading line'

complete $monitor -s c -l count -x -d 'Stop after so many transitions'
complete $monitor -s d -l duration -x -d 'Stop after this time'
complete $monitor -s i -l interval -x -d 'Time between two looks'
complete $monitor -l source -x -a 'auto poll trace' -d 'Where transitions come from'
complete $monitor -l stuck -x -d 'Say so when a connection stays so long'
complete $monitor -l until -x -a "$states" -d 'Stop at the first transition into this state'
