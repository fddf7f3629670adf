import { render } from "preact";
import "@fontsource-variable/figtree/wght.css";
import "../styles/base.css";
import "../styles/stages.css";
import "./admin.css";
import "./watch.css";
import { AdminApp } from "./app";

const root = document.getElementById("app");
document.getElementById("boot")?.remove();
if (root !== null) render(<AdminApp />, root);
