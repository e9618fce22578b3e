#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "pipelines/io/atomic_file.hpp"

namespace banger::test {

/// A pair of keys of the real minisign, in files of a test's directory.
class MinisignKey {
  public:
    explicit MinisignKey(std::string base) : base_(std::move(base)) {
        run("minisign -G -W -f -p '" + public_file() + "' -s '" + base_ + ".key'");
    }

    std::string public_file() const { return base_ + ".pub"; }
    /// Its text, both lines.
    std::string public_text() const { return read_file(public_file()); }
    /// Writes `file`.minisig; `options` such as "-l" for a legacy signature.
    void sign(const std::string& file, const std::string& options = "") const {
        run("minisign -S " + options + " -s '" + base_ + ".key' -m '" + file + "'");
    }

  private:
    static void run(const std::string& command) {
        if (std::system((command + " >/dev/null </dev/null").c_str()) != 0) {
            throw std::runtime_error("failed: " + command);
        }
    }
    std::string base_;
};

}  // namespace banger::test
