#include "guest/vsock-agent/title.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>

#include <cstring>

namespace banger::guest {
namespace {

char** arguments = nullptr;
constexpr std::size_t kTitleSize = 64;

}  // namespace

void keep_arguments(char** argv) {
    arguments = argv;
}

void set_title(const char* title) {
    ::prctl(PR_SET_NAME, title + 1);
    // Anonymous memory of its own: the kernel shows no arguments that lie in a file's mapping.
    void* memory =
        ::mmap(nullptr, kTitleSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) {
        std::strncpy(static_cast<char*>(memory), title, kTitleSize - 1);
        const auto begin = reinterpret_cast<unsigned long>(memory);
        // The kernel refuses a range whose end is below its begin: this order for memory below.
        ::prctl(PR_SET_MM, PR_SET_MM_ARG_START, begin, 0, 0);
        ::prctl(PR_SET_MM, PR_SET_MM_ARG_END, begin + std::strlen(title) + 1, 0, 0);
    }
    // Where the kernel does not allow it: the first letter is what matters.
    if (arguments != nullptr && arguments[0] != nullptr) arguments[0][0] = '@';
}

}  // namespace banger::guest
