#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "test/support/file_changes.hpp"

namespace banger::test {

/// The changes in the order in which they came true, as lines of tab-separated fields:
///     create|mkdir SINCE INODE PATH          unlink SINCE PATH         rename SINCE PATH TO
///     exchange SINCE PATH TO
///     write|punch|zero SINCE INODE OFFSET SIZE    size|grow SINCE INODE SIZE
///     sync SINCE INODE                       mark SINCE                unmodelled SINCE NAME
/// A punch leaves the file's size, a zero may add to it.
/// SINCE is how many lines there were when the call was entered: a sync says nothing about what
/// came after that. The bytes of all writes, one behind the other, are in a file beside it
/// (".data").
class FileLog {
  public:
    explicit FileLog(const std::string& path);
    std::uint64_t lines() const { return lines_; }
    void add(const Tracee& tracee, const FileChange& change, std::int64_t result);
    /// A moment of the world outside: what was promised before it must hold.
    void mark();

  private:
    template <class... Fields>
    void line(const char* kind, const Fields&... fields);
    void add_write(const Tracee& tracee, const FileChange& change, std::uint64_t count);
    std::ofstream log_;
    std::ofstream data_;
    std::uint64_t lines_ = 0;
};

}  // namespace banger::test
