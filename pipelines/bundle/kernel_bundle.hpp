#pragma once

#include "pipelines/bundle/bundle_stream.hpp"
#include "pipelines/kernel/kernel_import.hpp"

namespace banger::bundle {

/// A kernel's bundle (vmlinux, perhaps initrd.img and modules/) to `staging_dir`, in the form that
/// an import leaves, in one overlapped pass; all of it synced when this returns. Paths and links
/// that leave the bundle, hard links, devices and whatever else it should not hold are refused; a
/// link below modules/ that stays inside is passed over. Throws Error{digest_mismatch} for another
/// file than was promised, Error{invalid_argument} for what is no such bundle, or whose vmlinux is
/// no Linux kernel for x86_64.
Task<kernel::KernelManifest> pull_kernel_bundle(image::PullContext context, BundleRequest request,
                                                kernel::KernelImportOptions options,
                                                ProgressSink progress);

/// The same of a distribution's package, which is read again once all of it is here and verified.
Task<kernel::KernelManifest> pull_kernel_deb(image::PullContext context, BundleRequest request,
                                             kernel::KernelImportOptions options,
                                             ProgressSink progress);

}  // namespace banger::bundle
