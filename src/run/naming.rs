//! A short name for a server, made from its command or its address: what tells it from others in a list.

use std::path::Path;

/// Programs that run other programs: their own name says nothing.
const LAUNCHERS: &[&str] = &[
    "bash", "bun", "bunx", "cargo", "cmd", "deno", "docker", "dotnet", "env", "go", "java", "node",
    "nodejs", "npm", "npx", "pipx", "pnpm", "podman", "poetry", "python", "python3", "ruby", "sh",
    "ts-node", "tsx", "uv", "uvx", "yarn",
];
/// What launchers are told to do.
const VERBS: &[&str] = &["dlx", "exec", "run", "start", "tool", "x"];
/// File and directory names that every project has.
const COMMONPLACE: &[&str] = &[
    "app", "bin", "build", "cli", "debug", "dist", "index", "lib", "main", "out", "release",
    "server", "src", "target", "__main__",
];
/// Options of launchers whose value is not the server.
const WITH_VALUE: &[&str] = &[
    "-e",
    "-v",
    "-p",
    "--env",
    "--name",
    "--volume",
    "--network",
    "--mount",
    "--from",
    "--with",
    "--python",
    "-r",
    "--require",
    "--import",
    "-C",
    "--directory",
];
/// The same of `env`, of whom the other launchers know otherwise.
const WITH_VALUE_OF_ENV: &[&str] = &["-u", "--unset", "-C", "--chdir"];

/// `server-everything` for `npx -y @modelcontextprotocol/server-everything@2`, `weather` for `node weather/build/index.js`.
/// `directory` is where a relative path begins: it tells more than `index.js` does.
pub fn short_name(argv: &[String], directory: &Path) -> String {
    let name = name_of(argv);
    let directory = directory.file_name().and_then(|name| name.to_str());
    match directory {
        Some(directory)
            if is_commonplace_file(argv, &name) && !COMMONPLACE.contains(&directory) =>
        {
            directory.to_owned()
        }
        _ => name,
    }
}

/// Whether the name is only that of a relative path which every project may have.
fn is_commonplace_file(argv: &[String], name: &str) -> bool {
    COMMONPLACE.contains(&name)
        && argv
            .iter()
            .any(|word| word.contains('.') && !word.starts_with('/') && stem(word) == name)
}

fn name_of(argv: &[String]) -> String {
    let mut words = argv.iter();
    let Some(program) = words.next() else {
        return "server".to_owned();
    };
    if let Some(host) = host(program) {
        return host;
    }
    if !is_launcher(program) {
        return telling_part(program);
    }
    let mut launcher = program;
    while let Some(word) = words.next() {
        if word == "-m" {
            if let Some(module) = words.next() {
                return telling_part(module);
            }
        } else if WITH_VALUE.contains(&word.as_str())
            || (stem(launcher) == "env" && WITH_VALUE_OF_ENV.contains(&word.as_str()))
        {
            words.next();
        } else if word.starts_with('-') || word.contains('=') || VERBS.contains(&word.as_str()) {
            continue;
        } else if is_launcher(word) {
            launcher = word;
        } else {
            return telling_part(word);
        }
    }
    telling_part(launcher)
}

/// `mcp.example.com` of an address, with the port when there is one.
fn host(address: &str) -> Option<String> {
    let url = reqwest::Url::parse(address).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let host = url.host_str()?.trim_matches(['[', ']']);
    Some(match url.port() {
        Some(port) => format!("{host}-{port}"),
        None => host.to_owned(),
    })
}

fn is_launcher(program: &str) -> bool {
    let name = stem(program);
    let unversioned = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    LAUNCHERS.contains(&name) || LAUNCHERS.contains(&unversioned)
}

/// The last component that is not commonplace, without version and extension.
fn telling_part(path: &str) -> String {
    let components = || path.rsplit(['/', '\\']).filter(|part| !part.is_empty());
    components()
        .map(stem)
        .find(|part| !COMMONPLACE.contains(part) && !part.starts_with('.'))
        .or_else(|| components().next().map(stem))
        .unwrap_or(path)
        .to_owned()
}

/// `server` of `/opt/server.py`, `server-time` of `@scope/server-time@1.2`, `fetch` of `mcp/fetch:latest`.
fn stem(component: &str) -> &str {
    let name = Path::new(component)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(component);
    let unversioned = match name.find(['@', ':']) {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    };
    match unversioned.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty() && extension.chars().all(|c| c.is_ascii_alphabetic()) =>
        {
            stem
        }
        _ => unversioned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(line: &str) -> String {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        short_name(&argv, Path::new("/"))
    }

    #[test]
    fn a_launcher_gives_its_server_the_name() {
        assert_eq!(
            name("npx -y @modelcontextprotocol/server-everything@2.0 stdio"),
            "server-everything"
        );
        assert_eq!(
            name("uvx mcp-server-time --local-timezone=UTC"),
            "mcp-server-time"
        );
        assert_eq!(
            name("uvx --from mcp-server-git mcp-server-git"),
            "mcp-server-git"
        );
        assert_eq!(
            name("python3.12 -u -m mcp_server_fetch"),
            "mcp_server_fetch"
        );
        assert_eq!(
            name("docker run -i --rm -e TOKEN mcp/github:latest"),
            "github"
        );
        assert_eq!(name("env DEBUG=1 uv run server-x"), "server-x");
        assert_eq!(name("env -u X node x.js"), "x");
        assert_eq!(name("env -u HOME python3 -u weather.py"), "weather");
    }

    #[test]
    fn a_commonplace_file_gives_way_to_its_directory() {
        assert_eq!(name("node /home/me/weather/build/index.js"), "weather");
        assert_eq!(name("./target/release/counter"), "counter");
        assert_eq!(name("node server.js"), "server");
        let inside = |line: &str, directory: &str| {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            short_name(&argv, Path::new(directory))
        };
        assert_eq!(inside("node dist/index.js", "/home/me/weather"), "weather");
        assert_eq!(inside("node dist/index.js", "/home/me/build"), "index");
        assert_eq!(inside("node /srv/time/index.js", "/home/me"), "time");
        assert_eq!(inside("node news.js", "/home/me"), "news");
    }

    #[test]
    fn an_address_is_known_by_its_host() {
        assert_eq!(
            name("https://mcp.example.com/v1/mcp?k=v"),
            "mcp.example.com"
        );
        assert_eq!(name("http://localhost:3000/mcp"), "localhost-3000");
        assert_eq!(name("http://user:pw@[::1]:3000"), "::1-3000");
    }

    #[test]
    fn a_program_of_its_own_is_its_own_name() {
        assert_eq!(
            name("/usr/local/bin/mcp-sentinel demo --server"),
            "mcp-sentinel"
        );
        assert_eq!(name("./my.server.py"), "my.server");
        assert_eq!(name("node"), "node");
        assert_eq!(short_name(&[], Path::new("/")), "server");
    }
}
