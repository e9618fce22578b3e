#include "daemon/vm/vm_record.hpp"

#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::vm {

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
    return from_json<VmRecord>(record.document, "vm '" + record.name + "'");
}

}  // namespace banger::vm
