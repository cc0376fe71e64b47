//! The bootstrap document, built as values from a [`Config`].
//!
//! Envoy is set up to change as little as possible, so that the module and the upstream see what the client sent: paths
//! are not normalised, headers of Envoy's own are suppressed where it lets them be.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::config::{
    AuthzService, ClientCertificates, Companion, Config, ExtAuthz, Hold, MAX_HELD_BYTES, UpstreamProtocol,
    Wasm,
};
use crate::pki::SvidFiles;

/// The listener's name.
pub(super) const LISTENER: &str = "gate";

/// What Envoy calls itself.
const NODE: &str = "playground";

/// The module's name and root id.
const MODULE: &str = "sallyport";

/// Buffers and HTTP/2 windows, in bytes: larger than what the buffer filter holds, so that caps are answered by
/// filters, in a known way, and never by flow control.
const BUFFER_BYTES: u32 = MAX_HELD_BYTES + (1 << 20);

/// More connections than any run here opens; Envoy warns where there is no limit.
const MAX_CONNECTIONS: u32 = 10_000;

/// How long Envoy tries to reach the upstream or the authorizer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The labels of the module's metrics.
const STAT_TAGS: [&str; 7] = ["verdict", "reason", "agent", "operation", "detector", "action", "result"];

/// Where the files are that Envoy reads besides this document.
pub(super) struct Files<'a> {
    pub(super) certificate: &'a Path,
    pub(super) key: &'a Path,
    pub(super) trusted: &'a Path,
    /// The module's configuration, where it is discovered.
    pub(super) discovered: &'a Path,
    /// What Envoy shows to the companion, and the CAs that it trusts there, where that is spoken to over TLS.
    pub(super) companion: Option<&'a (SvidFiles, PathBuf)>,
}

/// The whole document.
pub(super) fn bootstrap(config: &Config, files: &Files<'_>) -> Value {
    let mut clusters = vec![upstream_cluster(config)];
    clusters.extend(config.ext_authz.as_ref().map(authorizer_cluster));
    clusters.extend(config.companion.as_ref().map(|companion| companion_cluster(companion, files)));
    let connections = typed(
        "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        json!({"max_active_downstream_connections": MAX_CONNECTIONS}),
    );
    let monitor = "envoy.resource_monitors.global_downstream_max_connections";
    // As Istio does for the labels that `extraStatTags` names.
    let tag = |name: &&str| json!({"tag_name": name, "regex": format!("({name}=\\.=(.*?);\\.;)")});
    let tags: Vec<Value> = STAT_TAGS.iter().map(tag).collect();
    json!({
        "node": {"id": NODE, "cluster": NODE},
        "stats_config": {"stats_tags": tags},
        "overload_manager": {"resource_monitors": [{"name": monitor, "typed_config": connections}]},
        "admin": {"address": address(SocketAddr::from(([127, 0, 0, 1], 0)))},
        "static_resources": {"listeners": [listener(config, files)], "clusters": clusters},
    })
}

fn listener(config: &Config, files: &Files<'_>) -> Value {
    let http = http_connection_manager(config, files.discovered);
    json!({
        "name": LISTENER,
        "address": address(SocketAddr::from(([127, 0, 0, 1], config.port))),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [{
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": http}],
            "transport_socket": {
                "name": "envoy.transport_sockets.tls",
                "typed_config": downstream_tls(config.client_certificates, files),
            },
        }],
    })
}

fn downstream_tls(certificates: ClientCertificates, files: &Files<'_>) -> Value {
    typed(
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        json!({
            "require_client_certificate": certificates == ClientCertificates::Required,
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{"certificate_chain": file(files.certificate), "private_key": file(files.key)}],
                "validation_context": {
                    "trusted_ca": file(files.trusted),
                    // Also where none is required: a certificate that is shown must be good.
                    "trust_chain_verification": "VERIFY_TRUST_CHAIN",
                },
            },
        }),
    )
}

fn http_connection_manager(config: &Config, discovered: &Path) -> Value {
    let route = json!({
        "name": "upstream",
        "virtual_hosts": [{
            "name": "any",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}],
        }],
    });
    typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": LISTENER,
            "codec_type": "AUTO",
            "route_config": route,
            "http_filters": http_filters(config, discovered),
            // The module refuses what normalises ambiguously; a proxy that normalises first would only hide that it does.
            "normalize_path": false,
            "merge_slashes": false,
            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
            "generate_request_id": false,
            "forward_client_cert_details": "SANITIZE",
            "server_header_transformation": "PASS_THROUGH",
            // As Istio has it: else Envoy refuses upgrades itself, before any filter sees them.
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "stream_idle_timeout": seconds(config.stream_idle_timeout),
            "http_protocol_options": {"enable_trailers": true},
            "http2_protocol_options": http2_options(),
        }),
    )
}

fn http_filters(config: &Config, discovered: &Path) -> Vec<Value> {
    let mut filters = Vec::new();
    if config.peer_principal {
        filters.push(json!({"name": "peer-principal", "typed_config": peer_principal()}));
    }
    if let Some(wasm) = &config.wasm {
        filters.push(if wasm.discovered {
            let source = json!({"path_config_source": {"path": discovered}, "resource_api_version": "V3"});
            let types = ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"];
            json!({"name": MODULE, "config_discovery": {"config_source": source, "type_urls": types}})
        } else {
            json!({"name": MODULE, "typed_config": wasm_filter(wasm)})
        });
        if wasm.hold == Hold::Body {
            // Right after the module: it withholds the headers while the module withholds the body.
            let buffer = json!({"max_request_bytes": MAX_HELD_BYTES});
            let buffer = typed("extensions.filters.http.buffer.v3.Buffer", buffer);
            filters.push(json!({"name": "envoy.filters.http.buffer", "typed_config": buffer}));
        }
    }
    if let Some(authz) = &config.ext_authz {
        filters
            .push(json!({"name": "envoy.filters.http.ext_authz", "typed_config": ext_authz_filter(authz)}));
    }
    let router = typed("extensions.filters.http.router.v3.Router", json!({"suppress_envoy_headers": true}));
    filters.push(json!({"name": "envoy.filters.http.router", "typed_config": router}));
    filters
}

fn peer_principal() -> Value {
    let source = json!({"inline_string": "%DOWNSTREAM_PEER_URI_SAN%"});
    let value = json!({
        "object_key": "io.istio.peer_principal",
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": source},
    });
    typed("extensions.filters.http.set_filter_state.v3.Config", json!({"on_request_headers": [value]}))
}

/// What Envoy discovers of the module.
pub(super) fn discovery(wasm: &Wasm) -> Value {
    let resource = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": MODULE,
        "typed_config": wasm_filter(wasm),
    });
    json!({"resources": [resource]})
}

fn wasm_filter(wasm: &Wasm) -> Value {
    let configuration =
        json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": wasm.configuration});
    let mut plugin = json!({
        "name": MODULE,
        "root_id": MODULE,
        "failure_policy": "FAIL_RELOAD",
        "configuration": configuration,
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": file(&wasm.module)},
        },
    });
    if wasm.hold == Hold::Headers
        && let Some(fields) = plugin.as_object_mut()
    {
        // Only where asked for: an Envoy before 1.35 does not know the field.
        fields.insert("allow_on_headers_stop_iteration".to_owned(), json!(true));
    }
    typed("extensions.filters.http.wasm.v3.Wasm", json!({"config": plugin}))
}

fn ext_authz_filter(authz: &ExtAuthz) -> Value {
    let timeout = seconds(CONNECT_TIMEOUT);
    let mut filter = match authz.service {
        AuthzService::Grpc => json!({
            "grpc_service": {"envoy_grpc": {"cluster_name": "authorizer"}, "timeout": timeout},
            "transport_api_version": "V3",
        }),
        AuthzService::Http => json!({
            "http_service": {
                "server_uri": {"uri": format!("http://{}", authz.authorizer), "cluster": "authorizer", "timeout": timeout},
            },
        }),
    };
    if authz.max_body_bytes > 0
        && let Some(fields) = filter.as_object_mut()
    {
        let body = json!({"max_request_bytes": authz.max_body_bytes, "allow_partial_message": false});
        fields.insert("with_request_body".to_owned(), body);
    }
    typed("extensions.filters.http.ext_authz.v3.ExtAuthz", filter)
}

fn upstream_cluster(config: &Config) -> Value {
    let http1 = json!({"enable_trailers": true});
    let options = match config.upstream_protocol {
        UpstreamProtocol::AsDownstream => json!({
            "use_downstream_protocol_config": {"http_protocol_options": http1, "http2_protocol_options": http2_options()},
        }),
        UpstreamProtocol::Http1 => json!({"explicit_http_config": {"http_protocol_options": http1}}),
    };
    cluster("upstream", config.upstream, options)
}

fn authorizer_cluster(authz: &ExtAuthz) -> Value {
    let protocol = match authz.service {
        AuthzService::Grpc => json!({"http2_protocol_options": http2_options()}),
        AuthzService::Http => json!({"http_protocol_options": {}}),
    };
    cluster("authorizer", authz.authorizer, json!({"explicit_http_config": protocol}))
}

fn companion_cluster(companion: &Companion, files: &Files<'_>) -> Value {
    let http1 = json!({"explicit_http_config": {"http_protocol_options": {}}});
    let mut cluster = cluster("companion", companion.address, http1);
    if let (Some(tls), Some((own, trusted)), Some(fields)) =
        (&companion.tls, files.companion, cluster.as_object_mut())
    {
        let name = json!({"san_type": "URI", "matcher": {"exact": tls.spiffe_id}});
        let context = json!({
            "common_tls_context": {
                "tls_certificates": [{"certificate_chain": file(&own.certificate), "private_key": file(&own.key)}],
                "validation_context": {
                    "trusted_ca": file(trusted),
                    "match_typed_subject_alt_names": [name],
                },
            },
        });
        let context = typed("extensions.transport_sockets.tls.v3.UpstreamTlsContext", context);
        let socket = json!({"name": "envoy.transport_sockets.tls", "typed_config": context});
        fields.insert("transport_socket".to_owned(), socket);
    }
    cluster
}

fn cluster(name: &str, endpoint: SocketAddr, mut options: Value) -> Value {
    if let Some(fields) = options.as_object_mut() {
        let any = json!("type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
        fields.insert("@type".to_owned(), any);
    }
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": seconds(CONNECT_TIMEOUT),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(endpoint)}}]}],
        },
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    })
}

fn http2_options() -> Value {
    json!({"initial_stream_window_size": BUFFER_BYTES, "initial_connection_window_size": 2 * BUFFER_BYTES})
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn file(path: &Path) -> Value {
    json!({"filename": path.to_string_lossy()})
}

/// A duration as protobuf's JSON writes it.
fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

fn typed(message: &str, mut fields: Value) -> Value {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("@type".to_owned(), json!(format!("type.googleapis.com/envoy.{message}")));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::Program;
    use crate::pki::Ca;

    fn config() -> Config {
        let ca = Ca::new("acme.internal").unwrap();
        let server = ca.mint_server("spiffe://acme.internal/gate").unwrap();
        Config::new(Program::Binary("envoy".into()), server, &ca, SocketAddr::from(([127, 0, 0, 1], 9)))
    }

    fn build(config: &Config) -> Value {
        let path = Path::new("/x");
        bootstrap(
            config,
            &Files { certificate: path, key: path, trusted: path, discovered: path, companion: None },
        )
    }

    fn filters(config: &Config) -> Vec<String> {
        http_filters(config, Path::new("f"))
            .iter()
            .map(|filter| filter["name"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_buffer_follows_the_module_unless_the_module_can_hold_headers() {
        let mut config = config();
        assert_eq!(filters(&config), ["envoy.filters.http.router"]);
        let wasm = Wasm::new("/m.wasm", "{}");
        config.wasm = Some(wasm.clone());
        assert_eq!(filters(&config), ["sallyport", "envoy.filters.http.buffer", "envoy.filters.http.router"]);
        config.wasm = Some(Wasm { hold: Hold::Headers, ..wasm });
        assert_eq!(filters(&config), ["sallyport", "envoy.filters.http.router"]);
        let plugin = &http_filters(&config, Path::new("f"))[0]["typed_config"]["config"];
        assert_eq!(plugin["allow_on_headers_stop_iteration"], json!(true));
        assert_eq!(plugin["failure_policy"], json!("FAIL_RELOAD"));
    }

    #[test]
    fn the_configuration_is_carried_as_a_value_not_pasted() {
        let mut config = config();
        let odd = "{\"a\":\"\\\"}]\n\u{1}\"}";
        config.wasm = Some(Wasm::new("/m.wasm", odd));
        let text = build(&config).to_string();
        let back: Value = serde_json::from_str(&text).unwrap();
        let listener = &back["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0];
        let plugin = &listener["typed_config"]["http_filters"][0]["typed_config"]["config"];
        assert_eq!(plugin["configuration"]["value"], json!(odd));
    }

    #[test]
    fn an_authorizer_gets_a_cluster_and_as_much_body_as_asked() {
        let mut config = config();
        let authorizer = SocketAddr::from(([127, 0, 0, 1], 7));
        config.ext_authz = Some(ExtAuthz { authorizer, service: AuthzService::Http, max_body_bytes: 8192 });
        assert_eq!(build(&config)["static_resources"]["clusters"][1]["name"], json!("authorizer"));
        let filter = &http_filters(&config, Path::new("f"))[0]["typed_config"];
        assert_eq!(filter["with_request_body"]["max_request_bytes"], json!(8192));
        assert_eq!(filter["http_service"]["server_uri"]["uri"], json!("http://127.0.0.1:7"));
    }
}
