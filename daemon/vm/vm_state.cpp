#include "daemon/vm/vm_state.hpp"

#include "pipelines/io/error.hpp"

namespace banger::vm {

std::string_view to_string(VmState state) {
    return boost::describe::enum_to_string(state, "unknown");
}

VmState parse_state(std::string_view word) {
    VmState state{};
    if (!boost::describe::enum_from_string(std::string(word).c_str(), state)) {
        fail(Errc::internal, "'{}' is no state of a vm", word);
    }
    return state;
}

std::optional<VmState> next_state(VmState state, VmEvent event) {
    using S = VmState;
    bool idle = state == S::created || state == S::stopped || state == S::error;
    bool up = is_up(state);
    bool started = up || state == S::starting || state == S::stopping;
    switch (event) {
        case VmEvent::start:
            return idle ? std::optional(S::starting) : std::nullopt;
        case VmEvent::ready:
            return state == S::starting ? std::optional(S::running) : std::nullopt;
        case VmEvent::start_failed:
            return state == S::starting ? std::optional(S::error) : std::nullopt;
        case VmEvent::start_undone:
            return state == S::starting ? std::optional(S::stopped) : std::nullopt;
        case VmEvent::pause:
            return up ? std::optional(S::paused) : std::nullopt;
        case VmEvent::resume:
            return up ? std::optional(S::running) : std::nullopt;
        case VmEvent::stop:
            return up || state == S::stopping ? std::optional(S::stopping) : std::nullopt;
        case VmEvent::powered_off:
            return started ? std::optional(S::stopped) : std::nullopt;
        case VmEvent::crashed:
            // Who asked for an end gets one, whatever it looked like.
            if (state == S::stopping) return S::stopped;
            return started ? std::optional(S::error) : std::nullopt;
        case VmEvent::remove:
            return idle || state == S::deleting ? std::optional(S::deleting) : std::nullopt;
    }
    return std::nullopt;
}

bool may_have_vmm(VmState state) {
    return state == VmState::starting || is_up(state) || state == VmState::stopping ||
           state == VmState::deleting;
}

bool is_up(VmState state) {
    return state == VmState::running || state == VmState::paused;
}

}  // namespace banger::vm
