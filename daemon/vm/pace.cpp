#include "daemon/vm/pace.hpp"

#include <algorithm>

#include "pipelines/io/wait.hpp"

namespace banger::vm {

Task<void> Pace::take(std::uint32_t times) {
    const auto now = std::chrono::steady_clock::now();
    due_ = std::max(due_, now) + times * every_;
    const auto wait = due_ - now - room_;
    if (wait > Duration::zero()) co_await sleep_for(wait);
}

}  // namespace banger::vm
