#include "guest/vsock-agent/title.hpp"

#include <sys/prctl.h>

#include <cstring>

namespace banger::guest {
namespace {

char** arguments = nullptr;
char title_memory[64];

}  // namespace

void keep_arguments(char** argv) {
    arguments = argv;
}

void set_title(const char* title) {
    std::strncpy(title_memory, title, sizeof title_memory - 1);
    ::prctl(PR_SET_NAME, title + 1);
    const auto begin = reinterpret_cast<unsigned long>(title_memory);
    // First the lower bound: the kernel refuses a range whose end is below its begin.
    if (::prctl(PR_SET_MM, PR_SET_MM_ARG_START, begin, 0, 0) == 0 &&
        ::prctl(PR_SET_MM, PR_SET_MM_ARG_END, begin + std::strlen(title_memory) + 1, 0, 0) == 0) {
        return;
    }
    // A kernel that does not allow it: the first letter is what matters.
    if (arguments != nullptr && arguments[0] != nullptr) arguments[0][0] = '@';
}

}  // namespace banger::guest
