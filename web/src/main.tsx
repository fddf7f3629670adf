import { render } from "preact";
import "@fontsource-variable/figtree/wght.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/notices.css";
import "./styles/conversation.css";
import "./styles/composer.css";
import "./styles/tasks.css";
import "./styles/stages.css";
import "./styles/timeline.css";
import "./styles/adapt.css";
import { SessionController } from "./session/controller";
import { App } from "./ui/app";
import { fitToKeyboard } from "./ui/viewport";

async function begin(root: HTMLElement): Promise<void> {
  let controller: SessionController;
  // The hook lets a browser test read the state and hear what was played; without ?test=1 it is not even loaded.
  if (new URLSearchParams(location.search).get("test") === "1") {
    controller = (await import("./test-hook")).controllerWithHook();
  } else {
    controller = new SessionController();
  }
  fitToKeyboard(window);
  document.getElementById("boot")?.remove();
  render(<App controller={controller} />, root);
  await controller.restore();
}

const root = document.getElementById("app");
if (root !== null) void begin(root);
