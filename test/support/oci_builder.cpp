#include "test/support/oci_builder.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "pipelines/io/digest.hpp"

namespace banger::test {
namespace {

struct Free {
    void operator()(archive* a) const { archive_write_free(a); }
    void operator()(archive_entry* e) const { archive_entry_free(e); }
};

const char* layer_type(Packing packing) {
    switch (packing) {
        case Packing::gzip:
            return "application/vnd.oci.image.layer.v1.tar+gzip";
        case Packing::zstd:
            return "application/vnd.oci.image.layer.v1.tar+zstd";
        default:
            return "application/vnd.oci.image.layer.v1.tar";
    }
}

std::string digest_by(const std::string& algorithm, const std::string& bytes) {
    Hasher hasher(algorithm);
    hasher.update(bytes);
    return hasher.finish().to_string();
}

std::string join(const std::vector<std::string>& items) {
    std::string out;
    for (const auto& item : items)
        out += (out.empty() ? "" : ",") + item;
    return out;
}

/// Adds members to a JSON object's text.
std::string with(const std::string& object, const std::string& members) {
    return object.substr(0, object.size() - 1) + "," + members + "}";
}

}  // namespace

void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << bytes;
    if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

std::string pack(const std::string& bytes, Packing packing) {
    if (packing == Packing::plain) return bytes;
    std::string out(bytes.size() + 65536, '\0');
    std::size_t used = 0;
    const std::unique_ptr<archive, Free> a(archive_write_new());
    archive_write_set_format_raw(a.get());
    if (packing == Packing::gzip) {
        archive_write_add_filter_gzip(a.get());
        archive_write_set_filter_option(a.get(), nullptr, "timestamp", nullptr);
    } else {
        archive_write_add_filter_zstd(a.get());
    }
    archive_write_open_memory(a.get(), out.data(), out.size(), &used);
    const std::unique_ptr<archive_entry, Free> entry(archive_entry_new());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_write_header(a.get(), entry.get());
    archive_write_data(a.get(), bytes.data(), bytes.size());
    if (archive_write_close(a.get()) != ARCHIVE_OK) throw std::runtime_error("cannot pack");
    out.resize(used);
    return out;
}

OciBuilder::OciBuilder(std::string path) : path_(std::move(path)) {
    for (const char* algorithm : {"sha256", "sha512"})
        std::filesystem::create_directories(path_ + "/blobs/" + algorithm);
    write_file(path_ + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
}

std::string OciBuilder::blob_path(const std::string& digest) const {
    const auto colon = digest.find(':');
    return path_ + "/blobs/" + digest.substr(0, colon) + "/" + digest.substr(colon + 1);
}

std::string OciBuilder::blob(const std::string& media_type, const std::string& bytes,
                             const std::string& algorithm) {
    const auto digest = digest_by(algorithm, bytes);
    write_file(blob_path(digest), bytes);
    return R"({"mediaType":")" + media_type + R"(","digest":")" + digest + R"(","size":)" +
           std::to_string(bytes.size()) + "}";
}

std::string OciBuilder::image(const ImageSpec& spec) {
    std::vector<std::string> layers, diff_ids;
    for (const auto& layer : spec.layers) {
        layers.push_back(blob(
            layer.media_type.empty() ? layer_type(layer.packing) : layer.media_type,
            layer.blob.empty() ? pack(layer.tar, layer.packing) : layer.blob, layer.algorithm));
        const auto right = digest_by(layer.algorithm, layer.tar);
        diff_ids.push_back("\"" + (layer.diff_id.empty() ? right : layer.diff_id) + "\"");
    }
    const auto config = R"({"architecture":")" + spec.architecture +
                        R"(","os":"linux","created":"2024-05-06T07:08:09Z","config":)" +
                        spec.config + R"(,"rootfs":{"type":"layers","diff_ids":[)" +
                        join(diff_ids) + "]}" +
                        (spec.more_config.empty() ? "" : "," + spec.more_config) + "}";
    const auto manifest =
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" +
        blob("application/vnd.oci.image.config.v1+json", config) + R"(,"layers":[)" + join(layers) +
        "]}";
    return with(blob("application/vnd.oci.image.manifest.v1+json", manifest),
                R"("platform":{"os":"linux","architecture":")" + spec.architecture + "\"}");
}

std::string OciBuilder::index(const std::vector<std::string>& descriptors) {
    return blob("application/vnd.oci.image.index.v1+json",
                R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",)"
                R"("manifests":[)" +
                    join(descriptors) + "]}");
}

void OciBuilder::tag(const std::string& name, const std::string& descriptor) {
    entries_ +=
        (entries_.empty() ? "" : ",") +
        with(descriptor, R"("annotations":{"org.opencontainers.image.ref.name":")" + name + "\"}");
    write_file(path_ + "/index.json", R"({"schemaVersion":2,"manifests":[)" + entries_ + "]}");
}

std::string digest_of(const std::string& descriptor) {
    const auto start = descriptor.find("sha256:");
    return descriptor.substr(start, 7 + 64);
}

}  // namespace banger::test
