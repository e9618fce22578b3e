#pragma once

#include <string>

#include "pipelines/bundle/image_bundle.hpp"
#include "pipelines/bundle/kernel_bundle.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/temp_dir.hpp"

namespace banger::test {

/// Pulls bundles as the daemon does: one loop, a pool, a ring where the kernel has one.
class BundleFixture {
  public:
    /// A bundle that a catalog would describe so.
    struct Offer {
        std::string url;
        std::string sha256;
        std::uint64_t size = 0;
        bool uring = true;
    };

    /// Saves `bytes` and offers them as what they are.
    Offer offer(const std::string& bytes, const std::string& name = "x.tar.zst") const;
    /// The same bytes, from elsewhere.
    static Offer offer_at(const std::string& url, const std::string& bytes);

    bundle::PulledBundle pull_image(const Offer& offer);
    kernel::KernelManifest pull_kernel(const Offer& offer);
    kernel::KernelManifest pull_deb(const Offer& offer);
    /// What the pull of an image, or of a kernel, fails with, leaving nothing; throws when it does
    /// not fail.
    Error image_failure(const Offer& offer);
    Error kernel_failure(const Offer& offer);

    std::string staging() const { return dir_ / "staging"; }
    std::string path(const std::string& name) const { return dir_ / name; }
    void remove_staging() const;

    /// A small ext4 file system with something in it.
    std::string make_ext4(std::uint64_t size = 8u << 20) const;

  private:
    bundle::BundleRequest request_for(const Offer& offer) const;
    TempDir dir_;
};

/// One zstd frame.
std::string zstd(const std::string& plain);
/// A tar.zst of an image's bundle.
std::string image_bundle(const std::string& rootfs, const std::string& manifest = "");

}  // namespace banger::test
