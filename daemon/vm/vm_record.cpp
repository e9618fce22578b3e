#include "daemon/vm/vm_record.hpp"

#include "daemon/vm/vm_names.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::vm {
namespace {

/// What derives from a VM's id and name (its directory, its sockets) is given away and removed by
/// them: a document that does not say them is damaged.
void check_identity(const VmRecord& record, const store::Record& row) {
    if (!is_vm_id(record.id) || record.id != row.key) {
        fail(Errc::invalid_argument, "its id is '{}' in the record, and '{}' in the store",
             record.id, row.key);
    }
    if (record.name == row.name) return;
    fail(Errc::invalid_argument, "its name is '{}' in the record, and '{}' in the store",
         record.name, row.name);
}

}  // namespace

api::VmInfo to_info(const VmRecord& record) {
    api::VmInfo info;
    info.id = record.id;
    info.name = record.name;
    info.state = to_string(record.state);
    info.image = record.image;
    info.image_digest = record.image_digest;
    info.kernel = record.kernel;
    info.vcpu = record.vcpu;
    info.memory_mib = record.memory_mib;
    info.disk_size = record.disk_size;
    info.disk_mode = record.disk_mode;
    info.init = record.init;
    info.address = record.address;
    info.publish = record.publish;
    info.publish_all = record.publish_all;
    info.backend = record.backend;
    info.isolation = record.isolation;
    info.pid = record.pid;
    info.boot_id = record.boot_id;
    info.pause_reason = record.pause_reason;
    info.created_at = record.created_at;
    info.started_at = record.started_at;
    info.stopped_at = record.stopped_at;
    info.end_reason = record.end_reason;
    info.error = record.error;
    info.boot = record.boot;
    return info;
}

store::Record to_store(const VmRecord& record) {
    return {record.id, record.name, to_json(record)};
}

VmRecord from_store(const store::Record& record) {
    const auto* object = record.document.if_object();
    const auto* version = object ? object->if_contains("version") : nullptr;
    if (version && version->is_int64() && version->as_int64() > kVmRecordVersion) {
        fail(Errc::unsupported, "a newer banger wrote it (version {}, this one reads up to {})",
             version->as_int64(), kVmRecordVersion);
    }
    auto read = from_json<VmRecord>(record.document, "vm '" + record.name + "'");
    check_identity(read, record);
    return read;
}

}  // namespace banger::vm
