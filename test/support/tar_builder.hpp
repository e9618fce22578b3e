#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace banger::test {

/// What an entry of a TarBuilder has; octal fields that do not fit are written as base-256 like GNU
/// tar.
struct TarEntry {
    std::string path;
    char type = '0';  ///< '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' directory,
                      ///< '6' fifo
    std::string content;
    std::string link;
    unsigned mode = 0644;
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    std::int64_t mtime = 1'600'000'000;
    unsigned major = 0;
    unsigned minor = 0;
    /// Goes into a pax header before the entry: "SCHILY.xattr.user.x", "path", "mtime", …
    std::map<std::string, std::string> pax;
};

/// Writes tars, sound ones and odd ones, byte by byte: what a test wants is what stands there.
///
///     auto tar = TarBuilder().dir("etc").file("etc/hostname", "box\n").finish();
class TarBuilder {
  public:
    TarBuilder& add(const TarEntry& entry);
    TarBuilder& dir(std::string path, unsigned mode = 0755);
    TarBuilder& file(std::string path, std::string content, unsigned mode = 0644);
    TarBuilder& symlink(std::string path, std::string target);
    TarBuilder& hard_link(std::string path, std::string target);
    TarBuilder& device(std::string path, char type, unsigned major, unsigned minor);
    /// Whatever bytes the test likes, where they stand.
    TarBuilder& raw(std::string_view bytes);
    /// Content for a header written before it, padded to 512 bytes.
    TarBuilder& padded(std::string_view bytes);

    /// The tar with its two end blocks, and without.
    std::string finish() const { return bytes_ + std::string(1024, '\0'); }
    std::string unfinished() const { return bytes_; }

    /// One header block (ustar), its checksum right. `size` may differ from the content's.
    static std::string header(const TarEntry& entry, std::uint64_t size);
    /// One pax record: "27 path=…\n".
    static std::string pax_record(const std::string& key, const std::string& value);
    static void fix_checksum(std::string& header);

  private:
    std::string bytes_;
};

}  // namespace banger::test
