#include "pipelines/io/spawn_arguments.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "pipelines/io/error.hpp"
#include "pipelines/io/subprocess.hpp"

namespace banger {
namespace {

void check(int error) {
    if (error != 0) fail_errno(error, "cannot prepare a process");
}

/// Ours, with `extra` replacing variables of the same name.
std::vector<std::string> merged_environment(const std::vector<std::string>& extra) {
    std::vector<std::string> merged = extra;
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
        const std::string_view ours(*variable);
        const auto name = ours.substr(0, ours.find('=') + 1);
        const bool replaced = std::any_of(extra.begin(), extra.end(), [&](const auto& other) {
            return std::string_view(other).starts_with(name);
        });
        if (!replaced) merged.emplace_back(ours);
    }
    return merged;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (auto& text : strings)
        pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

SpawnArguments::SpawnArguments(const SubprocessOptions& options)
    : arguments_(options.argv), environment_(merged_environment(options.extra_env)) {
    if (arguments_.empty()) fail(Errc::invalid_argument, "no program was given to run");
    check(::posix_spawnattr_init(&attributes_));
    check(::posix_spawn_file_actions_init(&actions_));
    set_attributes(options.new_session);
    set_descriptors(options);
    if (!options.cwd.empty()) {
        check(::posix_spawn_file_actions_addchdir_np(&actions_, options.cwd.c_str()));
    }
}

SpawnArguments::~SpawnArguments() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
}

void SpawnArguments::set_attributes(bool new_session) {
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    check(::posix_spawnattr_setsigmask(&attributes_, &none));
    check(::posix_spawnattr_setsigdefault(&attributes_, &all));
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (new_session) flags |= POSIX_SPAWN_SETSID;
    check(::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags)));
}

void SpawnArguments::set_descriptors(const SubprocessOptions& options) {
    set_descriptor(options.stdin_fd, STDIN_FILENO, O_RDONLY);
    set_descriptor(options.stdout_fd, STDOUT_FILENO, O_WRONLY);
    set_descriptor(options.stderr_fd, STDERR_FILENO, O_WRONLY);
    check(::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1));
}

void SpawnArguments::set_descriptor(int fd, int target, int open_flags) {
    if (fd < 0) {
        check(::posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", open_flags, 0));
        return;
    }
    if (fd <= STDERR_FILENO) {
        // An earlier action may overwrite 0, 1 or 2 before this one reads it.
        moved_.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
        if (!moved_.back()) fail_errno(errno, "cannot duplicate a file descriptor");
        fd = moved_.back().get();
    }
    check(::posix_spawn_file_actions_adddup2(&actions_, fd, target));
}

int SpawnArguments::spawn() {
    auto argv = pointers_to(arguments_);
    auto envp = pointers_to(environment_);
    pid_t pid = 0;
    const int error =
        ::posix_spawnp(&pid, argv.front(), &actions_, &attributes_, argv.data(), envp.data());
    if (error != 0) fail_errno(error, "cannot run {}", arguments_.front());
    return pid;
}

}  // namespace banger
