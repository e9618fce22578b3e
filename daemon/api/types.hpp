#pragma once

// What travels between bangerd and its clients as JSON; docs/openapi.yaml describes the same. Sizes
// are bytes unless a name says _mib; times are RFC 3339 in UTC.

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/types_catalog.hpp"
#include "daemon/api/types_error.hpp"
#include "daemon/api/types_image.hpp"
#include "daemon/api/types_kernel.hpp"
#include "daemon/api/types_ports.hpp"
#include "daemon/api/types_vm.hpp"

namespace banger::api {

/// GET /v1/version.
struct VersionInfo {
    std::string version;
    std::string api;  ///< the prefix of the paths: "v1"
};
BOOST_DESCRIBE_STRUCT(VersionInfo, (), (version, api))

struct DaemonInfo {
    std::string version;
    int pid = 0;
    std::string socket;
    std::string state_dir;
    std::string cache_dir;
    std::string started_at;
    std::string writer;  ///< "io_uring", or "pwrite" with the reason
    std::string default_image;
    std::string default_kernel;
    std::uint32_t vms_running = 0;
    std::uint32_t operations_running = 0;
};
BOOST_DESCRIBE_STRUCT(DaemonInfo, (),
                      (version, pid, socket, state_dir, cache_dir, started_at, writer,
                       default_image, default_kernel, vms_running, operations_running))

struct OperationInfo {
    std::string id;
    std::string kind;    ///< "image.pull", "kernel.import", "vm.create", "vm.start", "vm.stop", …
    std::string target;  ///< name or reference it is about
    std::string state;   ///< "running", "succeeded", "failed", "cancelled"
    std::string created_at;
    std::optional<std::string> finished_at;
    std::optional<ErrorBody> error;
    boost::json::value result;  ///< null until succeeded
};
BOOST_DESCRIBE_STRUCT(OperationInfo, (),
                      (id, kind, target, state, created_at, finished_at, error, result))

/// One server-sent event of an operation: `event: progress` with this, or `event: end` with
/// OperationInfo.
struct ProgressEvent {
    std::uint64_t seq = 0;
    std::string stage;
    std::string item;
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    std::uint64_t rate = 0;  ///< bytes per second since the stage's first event
    std::string message;
    std::uint64_t busy_ms = 0;  ///< stage "profile": how long the item worked, `rate` is by this
    std::uint64_t waiting_ms = 0;
};
BOOST_DESCRIBE_STRUCT(ProgressEvent, (),
                      (seq, stage, item, done, total, rate, message, busy_ms, waiting_ms))

/// One row of GET /v1/doctor.
struct DoctorRow {
    std::string check;
    std::string status;  ///< "pass", "warn", "fail"
    std::string detail;
};
BOOST_DESCRIBE_STRUCT(DoctorRow, (), (check, status, detail))

}  // namespace banger::api
