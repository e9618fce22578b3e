#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "test/support/temp_dir.hpp"

namespace banger::test {

/// A TCP port of 127.0.0.1 that nobody listens on just now.
std::uint16_t free_port();

/// Debian's docker-registry on 127.0.0.1, plain HTTP, its storage in a temporary directory. Answers
/// when the constructor returns; ends with the object, or with this process.
class RegistryProcess {
  public:
    RegistryProcess();
    ~RegistryProcess();
    RegistryProcess(const RegistryProcess&) = delete;
    RegistryProcess& operator=(const RegistryProcess&) = delete;

    /// "127.0.0.1:34567"
    std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
    /// Copies "oci:PATH:TAG" to NAME:TAG here with skopeo, all platforms; further options go before
    /// it.
    void push(const std::string& source, const std::string& name, const std::string& options = "");
    /// Where the registry keeps a blob's bytes.
    std::string blob_path(const std::string& digest) const;
    void stop();

  private:
    TempDir dir_;
    std::uint16_t port_;
    pid_t pid_ = -1;
};

}  // namespace banger::test
