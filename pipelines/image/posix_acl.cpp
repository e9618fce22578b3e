#include "pipelines/image/posix_acl.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kNoId = 0xFFFFFFFF;

struct AclRecord {
    std::uint16_t tag = 0;
    std::uint16_t permissions = 0;
    std::uint32_t id = kNoId;
};

/// The tags of include/uapi/linux/posix_acl.h; the kernel wants them in this order.
std::uint16_t wire_tag(int tag) {
    switch (tag) {
        case ARCHIVE_ENTRY_ACL_USER_OBJ:
            return 0x01;
        case ARCHIVE_ENTRY_ACL_USER:
            return 0x02;
        case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
            return 0x04;
        case ARCHIVE_ENTRY_ACL_GROUP:
            return 0x08;
        case ARCHIVE_ENTRY_ACL_MASK:
            return 0x10;
        case ARCHIVE_ENTRY_ACL_OTHER:
            return 0x20;
        default:
            fail(Errc::invalid_argument, "an ACL has a record of the unknown kind {}", tag);
    }
}

AclRecord make_record(int tag, int permissions, int qualifier, const char* name) {
    AclRecord record{wire_tag(tag), static_cast<std::uint16_t>(permissions & 7), kNoId};
    if (tag != ARCHIVE_ENTRY_ACL_USER && tag != ARCHIVE_ENTRY_ACL_GROUP) return record;
    if (qualifier < 0) {
        fail(Errc::invalid_argument, "an ACL names '{}' without a number",
             std::string_view(name ? name : "").substr(0, 100));
    }
    record.id = static_cast<std::uint32_t>(qualifier);
    return record;
}

void append_le(std::string& out, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
        out += static_cast<char>(value >> (8 * i) & 0xFF);
}

}  // namespace

std::optional<std::string> posix_acl_xattr(const std::string& text, AclKind kind) {
    const int wanted =
        kind == AclKind::access ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS : ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> owner(archive_entry_new(),
                                                                         archive_entry_free);
    auto* entry = owner.get();
    if (archive_entry_acl_from_text(entry, text.c_str(), wanted) != ARCHIVE_OK) {
        fail(Errc::invalid_argument, "the ACL is damaged");
    }
    if (archive_entry_acl_reset(entry, wanted) == 0) return std::nullopt;
    std::vector<AclRecord> records;
    int type = 0, permissions = 0, tag = 0, qualifier = 0;
    const char* name = nullptr;
    while (archive_entry_acl_next(entry, wanted, &type, &permissions, &tag, &qualifier, &name) ==
           ARCHIVE_OK) {
        records.push_back(make_record(tag, permissions, qualifier, name));
    }
    std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
        return a.tag != b.tag ? a.tag < b.tag : a.id < b.id;
    });
    std::string value;
    append_le(value, kVersion, 4);
    for (const auto& record : records) {
        append_le(value, record.tag, 2);
        append_le(value, record.permissions, 2);
        append_le(value, record.id, 4);
    }
    return value;
}

}  // namespace banger::image
