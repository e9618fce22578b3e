#include "pipelines/bundle/url_blob.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/url/pct_string_view.hpp>
#include <charconv>
#include <vector>

#include "pipelines/image/registry/range_response.hpp"
#include "pipelines/image/registry/registry_host.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::bundle {
namespace {

constexpr int kRedirects = 5;
/// Progress that earns a connection new tries.
constexpr std::uint64_t kProgress = 256 * 1024;
constexpr std::string_view kFile = "file://";

/// A file that is downloaded.
class UrlBlob final : public image::BlobStream {
  public:
    UrlBlob(boost::asio::any_io_executor executor, std::string url, std::uint64_t size,
            const image::RegistrySettings& settings)
        : http_(std::move(executor), image::http_options(settings)),
          url_(std::move(url)),
          size_(size),
          retries_(settings.retry) {}

    void skip(std::uint64_t bytes) override { offset_ = bytes; }

    Task<std::size_t> read_some(std::span<std::byte> buffer) override {
        while (offset_ < size_) {
            std::exception_ptr cut;
            try {
                if (!response_) co_await open();
                const auto left = std::min<std::uint64_t>(buffer.size(), size_ - offset_);
                const auto count =
                    co_await response_->read_some(buffer.first(static_cast<std::size_t>(left)));
                if (count > 0) co_return took(count);
                fail(Errc::unavailable, "{} was cut after {} of {} bytes", url_, offset_, size_);
            } catch (const Error& error) {
                if (!image::is_transient(error)) throw;
                cut = std::current_exception();
            }
            response_.reset();
            const auto delay = retries_.next_delay();
            if (!delay) std::rethrow_exception(cut);
            co_await sleep_for(*delay);
        }
        co_return 0;
    }

  private:
    std::size_t took(std::size_t count) {
        offset_ += count;
        since_reset_ += count;
        if (since_reset_ >= kProgress) {
            retries_.reset();
            since_reset_ = 0;
        }
        return count;
    }

    Task<void> open() {
        const auto from = ranges_ ? offset_ : 0;
        HttpRequest request{.url = url_, .max_redirects = kRedirects};
        request.headers.set("Accept-Encoding", "identity");
        if (from > 0) request.headers.set("Range", fmt::format("bytes={}-", from));
        response_ = co_await http_.send(std::move(request));
        if (from > 0 && !image::answers_range(*response_, from, size_)) {
            ranges_ = false;
            co_return co_await open();
        }
        const int status = response_->status();
        if (image::is_retryable_status(status)) {
            fail(Errc::unavailable, "{} answers with status {}", url_, status);
        }
        if (status == 404 || status == 410) {
            fail(Errc::not_found, "{} is not there (status {})", url_, status);
        }
        if (status != 200 && status != 206) {
            fail(Errc::invalid_argument, "{} answers with status {}", url_, status);
        }
        if (status == 200) co_await image::skip_to(*response_, offset_, size_, url_);
    }

    HttpClient http_;
    std::string url_;
    std::uint64_t size_;
    image::Retries retries_;
    std::unique_ptr<HttpResponse> response_;
    std::uint64_t offset_ = 0;
    std::uint64_t since_reset_ = 0;
    bool ranges_ = true;
};

UniqueFd open_regular(const std::string& path, std::uint64_t& size) {
    auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) fail_errno(errno, "cannot look at {}", path);
    if (!S_ISREG(status.st_mode)) fail(Errc::invalid_argument, "{} is no regular file", path);
    size = static_cast<std::uint64_t>(status.st_size);
    return fd;
}

}  // namespace

std::string path_of_url(const std::string& url) {
    const auto encoded = std::string_view(url).substr(kFile.size());
    const auto checked = boost::urls::make_pct_string_view(encoded);
    if (!checked) fail(Errc::invalid_argument, "'{}' is no URL", url);
    return checked->decode();
}

image::Blob open_url(boost::asio::any_io_executor executor, const std::string& url,
                     std::uint64_t size, const image::RegistrySettings& settings) {
    image::Blob blob{.file = {}, .stream = nullptr, .offset = 0, .size = size};
    if (url.starts_with(kFile)) {
        blob.file = open_regular(path_of_url(url), blob.size);
    } else {
        blob.stream = std::make_unique<UrlBlob>(std::move(executor), url, size, settings);
    }
    return blob;
}

Task<std::string> fetch_text(boost::asio::any_io_executor executor, std::string url,
                             std::size_t limit, image::RegistrySettings settings) {
    if (url.starts_with(kFile)) co_return read_file(path_of_url(url), limit);
    HttpClient http(std::move(executor), image::http_options(settings));
    image::Retries retries(settings.retry);
    for (;;) {
        std::exception_ptr failure;
        try {
            HttpRequest request{.url = url, .max_redirects = kRedirects};
            request.headers.set("Accept-Encoding", "identity");
            const auto response = co_await http.send(std::move(request));
            if (response->status() == 200) co_return co_await response->read_all(limit);
            if (!image::is_retryable_status(response->status())) {
                fail(Errc::not_found, "{} answers with status {}", url, response->status());
            }
            fail(Errc::unavailable, "{} answers with status {}", url, response->status());
        } catch (const Error& error) {
            if (!image::is_transient(error)) throw;
            failure = std::current_exception();
        }
        const auto delay = retries.next_delay();
        if (!delay) std::rethrow_exception(failure);
        co_await sleep_for(*delay);
    }
}

}  // namespace banger::bundle
