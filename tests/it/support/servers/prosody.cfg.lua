pidfile = "@dir@/pid"
data_path = "@dir@/data"
plugin_paths = {}
log = { info = "*console" }
interfaces = { "127.0.0.1" }
-- c2s, s2s: with STARTTLS; c2s-tls, s2s-tls: TLS at once
c2s_ports = { @port:c2s@ }
c2s_direct_tls_ports = { @port:c2s-tls@ }
s2s_ports = { @port:s2s@ }
s2s_direct_tls_ports = { @port:s2s-tls@ }
modules_enabled = { "tls", "saslauth", "s2s", "c2s", "disco" }
modules_disabled = { "posix" }
c2s_require_encryption = true
ssl = { certificate = "@pki@/good-chain.pem", key = "@pki@/good.key" }
VirtualHost "localhost"
VirtualHost "good.test"
