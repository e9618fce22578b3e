#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/types.hpp"

namespace banger::api {

/// The WebSocket subprotocol of Kubernetes' exec (k8s.io/apimachinery, pkg/util/remotecommand):
/// each binary message is a channel number and its bytes.
inline constexpr char kExecProtocol[] = "v5.channel.k8s.io";

enum class ExecChannel : std::uint8_t {
    standard_in = 0,
    standard_out = 1,
    standard_error = 2,
    status = 3,
    resize = 4,   ///< {"Width":columns,"Height":rows}
    signal = 5,   ///< {"signal":n}; ours, not Kubernetes'
    close = 255,  ///< one byte: the channel that is closed
};

std::vector<std::byte> exec_frame(ExecChannel channel, std::span<const std::byte> bytes);
std::vector<std::byte> exec_frame(ExecChannel channel, std::string_view text);

/// The status channel's one message, a Kubernetes v1.Status: Success for 0, otherwise Failure with
/// the cause ExitCode.
std::string exit_status_json(int exit_code);
/// A Failure without an exit code: the command's end is not known. The reason is the error's code.
std::string failure_status_json(ErrorBody error);

}  // namespace banger::api
