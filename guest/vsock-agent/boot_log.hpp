#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace banger::guest {

/// Milliseconds since the kernel started, as CLOCK_BOOTTIME counts them.
std::int64_t boottime_ms();

/// One line in the kernel log, at a level that reaches the serial console in spite of `quiet`.
void kernel_log(std::string_view sentence);

struct Mark {
    std::string name;
    std::int64_t ms;
};

/// What happened when since the kernel started: kept for the hello, written to the kernel log.
class Timeline {
  public:
    void mark(std::string_view name);
    const std::vector<Mark>& marks() const { return marks_; }

  private:
    std::vector<Mark> marks_;
};

/// Early init cannot go on: the verdict goes to the kernel log, then the machine is powered off.
[[noreturn]] void give_up(std::string_view verdict);

}  // namespace banger::guest
