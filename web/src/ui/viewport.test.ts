import { describe, expect, it, vi } from "vitest";
import { fitToKeyboard } from "./viewport";

function phone() {
  const style = { setProperty: vi.fn(), removeProperty: vi.fn() };
  let resize = () => {};
  const viewport = {
    height: 800,
    scale: 1,
    addEventListener: (_: string, listener: () => void) => (resize = listener),
  };
  const page = {
    innerHeight: 800,
    visualViewport: viewport,
    scrollTo: vi.fn(),
    document: { documentElement: { style } },
  };
  fitToKeyboard(page as unknown as Window);
  const see = (height: number, scale = 1) => {
    Object.assign(viewport, { height, scale });
    resize();
  };
  return { style, see };
}

describe("the page above a keyboard", () => {
  it("is as high as what is left, and as ever when the keyboard goes", () => {
    const { style, see } = phone();
    see(450.4);
    expect(style.setProperty).toHaveBeenCalledWith("--page-height", "450px");
    see(800);
    expect(style.removeProperty).toHaveBeenCalledWith("--page-height");
  });

  it("takes neither a bar of the browser nor a zoom for a keyboard", () => {
    const { style, see } = phone();
    see(740);
    see(400, 2);
    expect(style.setProperty).not.toHaveBeenCalled();
  });
});
