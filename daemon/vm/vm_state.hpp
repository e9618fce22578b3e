#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string_view>

namespace banger::vm {

/// The states of a VM. `starting`, `stopping` and `deleting` are on the way: after a crash of the
/// daemon the next start finishes or undoes them.
enum class VmState { created, starting, running, paused, stopping, stopped, error, deleting };
BOOST_DESCRIBE_ENUM(VmState, created, starting, running, paused, stopping, stopped, error, deleting)

/// What happens to a VM.
enum class VmEvent {
    start,         ///< asked for
    ready,         ///< the guest said hello
    start_failed,  ///< the boot came to nothing
    start_undone,  ///< the boot was cancelled
    pause,         ///< asked for
    resume,        ///< the guest's processors run again
    stop,          ///< asked for
    powered_off,   ///< the VMM has ended as it should
    crashed,       ///< the VMM has ended as it should not
    remove,        ///< asked for
};

std::string_view to_string(VmState state);
/// Throws Error{internal} for a word that is none of the states.
VmState parse_state(std::string_view word);

/// Where `event` leads from `state`; nothing where it has no business.
std::optional<VmState> next_state(VmState state, VmEvent event);

/// A VMM may be running in this state.
bool may_have_vmm(VmState state);
/// Its guest has booted and is there: running, or paused.
bool is_up(VmState state);

}  // namespace banger::vm
