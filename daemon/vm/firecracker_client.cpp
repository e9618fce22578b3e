#include "daemon/vm/firecracker_client.hpp"

#include <algorithm>

#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::vm {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kLongestAnswer = 64 * 1024;

HttpOptions options_for(const std::string& socket) {
    HttpOptions options;
    options.unix_socket = socket;
    options.connect_timeout = kPatience;
    options.header_timeout = kPatience;
    options.stall_timeout = kPatience;
    return options;
}

std::string one_line(std::string text) {
    std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    while (text.ends_with(' ') || text.ends_with('.'))
        text.pop_back();
    return replace_invalid_utf8(std::move(text));
}

}  // namespace

std::string firecracker_socket(const std::string& vm_directory) {
    return vm_directory + "/api.sock";
}

std::string firecracker_fault(const std::string& body) {
    boost::system::error_code error;
    const auto value = boost::json::parse(body, error);
    const auto* object = error ? nullptr : value.if_object();
    const auto* fault = object ? object->if_contains("fault_message") : nullptr;
    if (fault && fault->is_string()) return one_line(std::string(fault->get_string()));
    return body.empty() ? "without a word" : one_line(body);
}

FirecrackerClient::FirecrackerClient(boost::asio::any_io_executor executor,
                                     const std::string& socket)
    : http_(std::move(executor), options_for(socket)) {}

Task<void> FirecrackerClient::call(FirecrackerCall call) {
    HttpRequest request;
    request.method = call.method;
    request.url = "http://localhost" + call.path;
    request.headers.add("Accept", "application/json");
    request.headers.add("Content-Type", "application/json");
    request.body = boost::json::serialize(call.body);
    auto response = co_await http_.send(std::move(request));
    const auto body = co_await response->read_all(kLongestAnswer);
    if (response->status() / 100 == 2) co_return;
    fail(Errc::invalid_argument, "firecracker refuses {} {}: {}", call.method, call.path,
         firecracker_fault(body));
}

}  // namespace banger::vm
