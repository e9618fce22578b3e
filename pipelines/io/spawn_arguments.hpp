#pragma once

#include <spawn.h>

#include <string>
#include <vector>

#include "pipelines/io/unique_fd.hpp"

namespace banger {

struct SubprocessOptions;

/// What posix_spawn(3) wants, owned: argument and environment vectors, attributes, file actions.
class SpawnArguments {
  public:
    explicit SpawnArguments(const SubprocessOptions& options);
    ~SpawnArguments();
    SpawnArguments(const SpawnArguments&) = delete;
    SpawnArguments& operator=(const SpawnArguments&) = delete;

    /// The new process's pid. Throws Error{not_found} naming a program that does not exist.
    int spawn();

  private:
    void set_attributes(bool new_session);
    void set_descriptors(const SubprocessOptions& options);
    void set_descriptor(int fd, int target, int open_flags);

    std::vector<std::string> arguments_;
    std::vector<std::string> environment_;
    std::vector<UniqueFd> moved_;
    posix_spawnattr_t attributes_;
    posix_spawn_file_actions_t actions_;
};

}  // namespace banger
