#pragma once

#include "daemon/api/http.hpp"
#include "daemon/api/services.hpp"
#include "pipelines/io/byte_source.hpp"

// The handlers of the route table, a file for each kind of thing.

namespace banger::api {

Task<Response> get_version(const Request& request, Services& services);
Task<Response> get_daemon(const Request& request, Services& services);
Task<Response> stop_daemon(const Request& request, Services& services);
Task<Response> get_doctor(const Request& request, Services& services);
Task<Response> get_metrics(const Request& request, Services& services);

Task<Response> list_images(const Request& request, Services& services);
Task<Response> pull_image(const Request& request, Services& services, ByteSource* archive);
Task<Response> show_image(const Request& request, Services& services);
Task<Response> check_registry(const Request& request, Services& services);
Task<Response> delete_image(const Request& request, Services& services);

Task<Response> register_image(const Request& request, Services& services);
Task<Response> promote_image(const Request& request, Services& services);

Task<Response> list_catalogs(const Request& request, Services& services);
Task<Response> add_catalog(const Request& request, Services& services);
Task<Response> refresh_catalogs(const Request& request, Services& services);
Task<Response> delete_catalog(const Request& request, Services& services);
Task<Response> list_catalog_entries(const Request& request, Services& services);

Task<Response> get_image_cache(const Request& request, Services& services);
Task<Response> prune_image_cache(const Request& request, Services& services);

Task<Response> list_kernels(const Request& request, Services& services);
Task<Response> import_kernel(const Request& request, Services& services);
Task<Response> pull_kernel(const Request& request, Services& services);
Task<Response> show_kernel(const Request& request, Services& services);
Task<Response> delete_kernel(const Request& request, Services& services);

Task<Response> list_vms(const Request& request, Services& services);
Task<Response> create_vm(const Request& request, Services& services);
Task<Response> show_vm(const Request& request, Services& services);
Task<Response> delete_vm(const Request& request, Services& services);
Task<Response> start_vm(const Request& request, Services& services);
Task<Response> stop_vm(const Request& request, Services& services);
Task<Response> change_vm(const Request& request, Services& services);
Task<Response> restart_vm(const Request& request, Services& services);
Task<Response> kill_vm(const Request& request, Services& services);
Task<Response> get_vm_stats(const Request& request, Services& services);
Task<Response> get_vm_health(const Request& request, Services& services);
Task<Response> pause_vm(const Request& request, Services& services);
Task<Response> resume_vm(const Request& request, Services& services);
Task<Response> get_vm_logs(const Request& request, Services& services);

Task<Response> list_vm_ports(const Request& request, Services& services);
Task<Response> publish_vm_port(const Request& request, Services& services);
Task<Response> unpublish_vm_port(const Request& request, Services& services);
Task<Response> publish_all_vm_ports(const Request& request, Services& services);
/// Bytes both ways by WebSocket.
Task<void> connect_vm_port(const Request& request, Services& services, Exchange& exchange);

/// By WebSocket, v5.channel.k8s.io.
Task<void> exec_by_websocket(const Request& request, Services& services, Exchange& exchange);
/// One request, lines of JSON back: for curl.
Task<void> exec_by_lines(const Request& request, Services& services, Exchange& exchange);

Task<Response> list_operations(const Request& request, Services& services);
Task<Response> show_operation(const Request& request, Services& services);
Task<Response> cancel_operation(const Request& request, Services& services);

}  // namespace banger::api
