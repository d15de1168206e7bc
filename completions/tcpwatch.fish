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
        __fish_seen_subcommand_from monitor; and echo all
        command ls /run/netns 2>/dev/null
    end
end

function __tcpwatch_scenarios
    printf 'all\tall of them\n'
    command tcpwatch lab 2>/dev/null | string replace -r '  +' \t
end

set -l states LISTEN SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT CLOSING LAST_ACK \
    TIME_WAIT CLOSE
set -l both -c tcpwatch -n '__fish_seen_subcommand_from monitor list'
set -l monitor -c tcpwatch -n '__fish_seen_subcommand_from monitor'

complete -c tcpwatch -f
complete -c tcpwatch -n __fish_use_subcommand -a monitor -d 'Print every state transition'
complete -c tcpwatch -n __fish_use_subcommand -a list -d 'Print the connections as they stand now'
complete -c tcpwatch -n __fish_use_subcommand -a server -d 'Echo server that ends as chosen'
complete -c tcpwatch -n __fish_use_subcommand -a client -d 'Line client that says how it ends'
complete -c tcpwatch -n __fish_use_subcommand -a lab -d 'Each way a connection breaks'
complete -c tcpwatch -s '?' -l help -d 'List the options'
complete -c tcpwatch -l usage -d 'List the options in short'
complete -c tcpwatch -s V -l version -d 'Print the version'

set -l look -c tcpwatch -n '__fish_seen_subcommand_from monitor list server client lab'
set -l ends -c tcpwatch -n '__fish_seen_subcommand_from server client'
set -l server -c tcpwatch -n '__fish_seen_subcommand_from server'
set -l client -c tcpwatch -n '__fish_seen_subcommand_from client'

complete $look -s j -l json -d 'One JSON object a line'
complete $look -l color -x -a 'auto always never' -d Colours

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
complete $both -s H -l no-header -d 'No heading line'

complete $monitor -s c -l count -x -d 'Stop after so many transitions'
complete $monitor -s d -l duration -x -d 'Stop after this time'
complete $monitor -s i -l interval -x -d 'Time between two looks'
complete $monitor -l source -x -a 'auto poll trace' -d 'Where transitions come from'
complete $monitor -l stuck -x -d 'Say so when a connection stays so long'
complete $monitor -l until -x -a "$states" -d 'Stop at the first transition into this state'

complete $ends -s 4 -d 'IPv4 only'
complete $ends -s 6 -d 'IPv6 only'
complete $ends -l keepalive -x -d 'Probe an idle peer: idle, interval, count'
complete $ends -l user-timeout -x -d 'Give up unacknowledged data'

complete $server -s b -l bind -x -a any -d 'Listen on this address'
complete $server -l close-after -x -d 'Close each so long after it was accepted'
complete $server -l hold -d 'Never close after the FIN of the peer'
complete $server -l idle-timeout -x -d 'Close what was silent so long'
complete $server -l max-connections -x -d 'So many at the same time'
complete $server -l model -x -a 'event fork' -d 'One process for all, or one for each'
complete $server -l no-read -d 'Never read'
complete $server -s p -l port -x -a '(__tcpwatch_ports)' -d 'Listen on this port'
complete $server -l reset -d 'Close with RST'

complete $client -a '(__fish_print_hostnames)'
complete $client -s b -l bind -x -d 'Connect from this address'
complete $client -l blocking -d 'See nothing of the connection while the terminal is read'
complete $client -l connect-timeout -x -d 'Give up an address that has not answered'
complete $client -l count -x -d 'Send the line so many times'
complete $client -l every -x -d 'Send the line again and again'
complete $client -l icmp-errors -d 'End at once on the error of a router'
complete $client -l on-eof -x -a 'exit stay' -d 'What to do when the peer has closed'
complete $client -l read-timeout -x -d 'End where no answer has come'
complete $client -l send -x -d 'Send this line'

complete -c tcpwatch -n '__fish_seen_subcommand_from lab' -l real-time \
    -d 'With the timers of this host'
complete -c tcpwatch -n '__fish_seen_subcommand_from lab' -a '(__tcpwatch_scenarios)'
