#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipelines/io/unique_fd.hpp"

namespace banger::launcher {

struct Pipe {
    UniqueFd reader;
    UniqueFd writer;
};

/// Both ends close in what is executed.
Pipe make_pipe();

/// Ends this process, with a sentence on standard error: "cannot <what>: <why>".
[[noreturn]] void give_up(const std::string& what, int error);

/// Whether `fd` turns readable, or is closed at its other end, within `ms` (-1: for ever).
bool wait_readable(int fd, int ms);

/// Replaces this process; returns errno when it cannot.
int execute(const std::vector<std::string>& words);

/// Blocks, and writes all of it; returns errno, or 0.
int write_file_once(const char* path, std::string_view text);

}  // namespace banger::launcher
