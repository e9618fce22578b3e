#include "daemon/api/operation_response.hpp"

#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

constexpr std::size_t kMaxIdempotencyKey = 255;

std::string idempotency_key(const Request& request) {
    auto key = request.headers.find("Idempotency-Key").value_or("");
    if (key.size() > kMaxIdempotencyKey) {
        fail(Errc::invalid_argument, "the idempotency key has {} bytes, at most {} are possible",
             key.size(), kMaxIdempotencyKey);
    }
    return key;
}

}  // namespace

Response start_operation(const Request& request, Services& services, std::string kind,
                         std::string target, operations::Operations::Work work) {
    const auto info = services.operations.start(std::move(kind), std::move(target),
                                                idempotency_key(request), std::move(work));
    auto response = json_response(to_json(info), 202);
    response.headers.set("Location", "/v1/operations/" + info.id);
    return response;
}

}  // namespace banger::api
