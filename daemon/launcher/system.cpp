#include "daemon/launcher/system.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace banger::launcher {

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) give_up("make a pipe", errno);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void give_up(const std::string& what, int error) {
    if (error != 0) {
        std::fprintf(stderr, "cannot %s: %s\n", what.c_str(), std::strerror(error));
    } else {
        std::fprintf(stderr, "cannot %s\n", what.c_str());
    }
    std::fflush(stderr);
    ::_exit(1);
}

bool wait_readable(int fd, int ms) {
    pollfd wait{fd, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&wait, 1, ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

int execute(const std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (const auto& word : words)
        pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    ::execvp(pointers.front(), pointers.data());
    return errno;
}

int write_file_once(const char* path, std::string_view text) {
    const UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
    if (!fd) return errno;
    const auto count = ::write(fd.get(), text.data(), text.size());
    if (count < 0) return errno;
    return static_cast<std::size_t>(count) == text.size() ? 0 : EIO;
}

}  // namespace banger::launcher
