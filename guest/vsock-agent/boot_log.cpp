#include "guest/vsock-agent/boot_log.hpp"

#include <fcntl.h>

#include <ctime>

#include "guest/vsock-agent/fd.hpp"
#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/power.hpp"
#include "guest/vsock-agent/protocol.hpp"

namespace banger::guest {

std::int64_t boottime_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

void kernel_log(std::string_view sentence) {
    Fd fd{::open("/dev/kmsg", O_WRONLY | O_CLOEXEC)};
    if (!fd) return;
    // Level 3: `quiet` and loglevel=4 let only the levels below 4 through to the console.
    write_all(fd.get(), "<3>" + std::string(sentence) + "\n");
}

void Timeline::mark(std::string_view name) {
    marks_.push_back({std::string(name), boottime_ms()});
    kernel_log("banger: " + marks_.back().name + " " + std::to_string(marks_.back().ms));
}

void give_up(std::string_view verdict) {
    kernel_log(kFatalMark + std::string(verdict));
    power_off_now();
}

}  // namespace banger::guest
