#pragma once

#include <memory>
#include <optional>

#include "pipelines/image/registry/image_source.hpp"
#include "pipelines/image/registry/registry_auth.hpp"
#include "pipelines/image/registry/retry.hpp"
#include "pipelines/io/http_client.hpp"

namespace banger::image {

struct RegistryOptions {
    std::vector<std::string> plain_http_hosts;  ///< besides the loopback ones
    RetryPolicy retry;
};

/// One repository of a registry, over the distribution protocol's pull half. A 401 is answered with
/// an anonymous token and one more try; what can pass (429, 5xx, a cut or stalled connection) is
/// tried again with growing delays; a blob goes on at the byte where it was cut. Redirects are
/// followed without the token. Cancelling ends any of its awaits at once.
class RegistryClient : public ImageSource {
  public:
    RegistryClient(boost::asio::any_io_executor executor, Reference reference,
                   RegistryOptions options);

    Task<Document> root() override;
    Task<Document> document(Descriptor descriptor) override;
    Task<Blob> open_blob(Descriptor descriptor) override;
    bool is_remote() const override { return true; }

  private:
    friend class RegistryBlob;
    struct Wanted {
        std::string path;  ///< below /v2/<repository>/
        std::string accept;
        std::uint64_t from = 0;  ///< first byte, when not 0
    };
    struct Fetched {
        std::string body;
        std::string content_type;
    };
    using Response = std::unique_ptr<HttpResponse>;

    /// The response, once one comes that no further try would better.
    Task<Response> get(Wanted wanted, Retries& retries);
    Task<Response> send_authorized(Wanted wanted);
    Task<Response> send_once(Wanted wanted);
    Task<void> fetch_token(std::vector<std::string> www_authenticate);
    /// All of a manifest; nullopt when there is none, and what fail_status throws for other
    /// refusals.
    Task<std::optional<Fetched>> fetch(std::string path, std::string what);
    /// Throws what the status and the registry's own words amount to.
    Task<void> fail_status(Response response, std::string what);
    Task<std::string> suggest_tag();
    /// The delay before another try; throws `reason` when there is none.
    Task<void> wait_before_retry(Retries& retries, std::exception_ptr reason,
                                 std::optional<std::chrono::seconds> retry_after = {});

    Reference reference_;
    RegistryOptions options_;
    std::string base_url_;
    HttpClient http_;
    RegistryAuth auth_;
    bool reached_ = false;  ///< the registry has answered at least once
};

}  // namespace banger::image
